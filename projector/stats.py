"""What a projection has done since it started, for whoever shows it."""

from dataclasses import dataclass


@dataclass(slots=True)
class Stats:
    """Counts since the start, of events in batches that went through.

    `counted` are those in a counter, `ignored` those that the deployment leaves out.
    """

    counted: int = 0
    ignored: int = 0
    anonymous: int = 0
    expired: int = 0
