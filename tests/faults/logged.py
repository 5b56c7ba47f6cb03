"""What the processes logged during a fault, and what none of them may log."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from tests.faults.exercise import Exercise

MOST_LIKE_LINES: Final = 12
"""More lines of one name than this, from one process each time the fault is done, are a flood."""
_ERRORS: Final = frozenset({"error", "critical", "unstructured"})

Lines = Sequence[Mapping[str, Any]]


def complaints(exercise: Exercise, errors: Collection[str]) -> Iterator[str]:
    """Say in sentences what is wrong with the logs; `errors` are the events that may be errors."""
    for process in exercise.plant.processes:
        lines = exercise.lines(process)
        if not process.is_running:
            yield f"{process.name} has ended: {lines[-3:]}"
        for line in lines:
            if line.get("level") in _ERRORS and line["event"] not in errors:
                yield f"{process.name} logged {line}"
        for name, times in _floods(lines, MOST_LIKE_LINES * exercise.times):
            yield f"{process.name} logged {name!r} {times} times"


def _floods(lines: Lines, most: int) -> Iterator[tuple[str, int]]:
    names = Counter(str(line["event"]) for line in lines)
    return ((name, times) for name, times in names.items() if times > most)
