"""The counts of a projection since its start, for metrics."""

from collections import Counter
from dataclasses import dataclass, field

from projector.expiry import ExpiryCause


@dataclass(slots=True)
class Stats:
    """The numbers of events in applied batches.

    `counted` events are in a counter, `ignored` ones are excluded by the activity filter. `causes` has the
    expired ones by cause.
    """

    counted: int = 0
    ignored: int = 0
    anonymous: int = 0
    expired: int = 0
    causes: Counter[ExpiryCause] = field(default_factory=Counter)
