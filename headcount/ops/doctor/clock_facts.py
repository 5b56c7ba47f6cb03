"""What the doctor knows of other machines' clocks."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """How far a clock is ahead of ours, in seconds, give or take `uncertainty`."""

    ahead: float
    uncertainty: float
