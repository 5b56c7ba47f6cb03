"""The repair: adds to the live counters what the log holds, and moves no checkpoint.

A union forgives: what a counter holds already changes nothing in it, so that a change tells what it lacked.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

from redis.asyncio import Redis

from ingest.event import Event
from projector import keys, scripts
from projector.calendar import Calendar
from projector.errors import errors_named
from projector.finding import Finding, State
from projector.fold import fold, pack
from projector.pseudonyms import Pseudonyms

MENDED: Final[frozenset[State]] = frozenset({"missing", "incomplete"})
"""The states that adding ends; a key that holds something else is left as it is."""


class Repair:
    """Adds events that the checkpoints have passed already. `clock` gives the time of day, aware."""

    def __init__(
        self, redis: Redis, calendar: Calendar, pseudonyms: Pseudonyms, *, clock: Callable[[], datetime]
    ) -> None:
        self._calendar = calendar
        self._pseudonyms = pseudonyms
        self._clock = clock
        self._readd = redis.register_script(scripts.source(scripts.READD))

    async def add(self, events: Iterable[Event]) -> list[Finding]:
        """Return the counters that lacked one of these events, and those that can't take them."""
        additions = fold(events, self._calendar, self._pseudonyms, self._clock()).additions
        with errors_named():
            words = await self._readd(keys=[each.key for each in additions], args=[pack(additions)])
        counters = (keys.counter(addition.key) for addition in additions)
        return [
            Finding(counter, word.decode())
            for counter, word in zip(counters, words, strict=True)
            if counter and word != b"whole"
        ]
