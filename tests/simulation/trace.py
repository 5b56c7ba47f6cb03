"""Records the trace of a schedule, line by line, for the replay of a seed."""

from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, NoReturn

import structlog

Note = Callable[[str], None]


@contextmanager
def log_lines_noted(note: Note | None) -> Iterator[None]:
    """Note what the code under test logs; None drops it, which is much faster."""
    before = structlog.get_config()

    def pass_on(_logger: object, level: str, event: MutableMapping[str, Any]) -> NoReturn:
        if note is not None:
            name = event.pop("event")
            note(" ".join([f"{level}: {name}", *(f"{key}={value}" for key, value in event.items())]))
        raise structlog.DropEvent

    structlog.configure(processors=[pass_on])
    try:
        yield
    finally:
        structlog.configure(**before)
