"""What a projection has done since it started, for whoever shows it."""

from collections import Counter
from dataclasses import dataclass, field

from projector.expiry import ExpiryCause


@dataclass(slots=True)
class Stats:
    """Counts since the start, of events in batches that went through.

    `counted` are those in a counter, `ignored` those that the deployment leaves out. `causes` says why the
    expired ones are older than the retention.
    """

    counted: int = 0
    ignored: int = 0
    anonymous: int = 0
    expired: int = 0
    causes: Counter[ExpiryCause] = field(default_factory=Counter)
