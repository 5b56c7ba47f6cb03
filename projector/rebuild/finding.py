"""What an audit finds out about a counter."""

from typing import Literal, NamedTuple

from projector.keys import Counter

State = Literal["whole", "missing", "incomplete", "not-a-counter", "surplus"]
"""`incomplete`: it lacks people who are in the log. `surplus`: it lacks nobody, and holds people who are not
in what was read of the log. `not-a-counter`: its key holds something else."""


class Finding(NamedTuple):
    """A counter, and the state in which it was found."""

    counter: Counter
    state: State
