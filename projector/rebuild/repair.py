"""The repair: adds to the live counters what the log holds, and moves no checkpoint.

A union forgives: what a counter holds already changes nothing in it, so that a change tells what it lacked.
"""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Final

from ingest.errors import UnavailableError
from ingest.events.event import Event
from projector import keys, scripts
from projector.calendar import Calendar
from projector.checkpoints import read_progress
from projector.counted_users import CountedUsers, read_counted_users
from projector.fold import fold, pack
from projector.rebuild.finding import Finding, State
from projector.redis import Redis
from projector.redis.errors import translate_errors

REPAIRED: Final[frozenset[State]] = frozenset({"missing", "incomplete"})
"""The states that adding ends; a key that holds something else is left as it is."""
TRIES: Final = 10


class Repair:
    """Adds events that the checkpoints have passed already. `clock` gives the time of day, aware."""

    def __init__(
        self, redis: Redis, calendar: Calendar, counted_users: CountedUsers, *, clock: Callable[[], datetime]
    ) -> None:
        self._redis = redis
        self._calendar = calendar
        self._counted_users = counted_users
        self._clock = clock
        self._readd = redis.register_script(scripts.source(scripts.READD))

    async def add(self, events: Collection[Event]) -> list[Finding]:
        """Return the counters that lacked one of these events, and those that can't take them.

        Raises `UnavailableError`.
        """
        for _ in range(TRIES):
            # The script refuses to add to a generation that is no longer live, or by a list that was changed.
            generation = (await read_progress(self._redis)).generation
            counted_users = await read_counted_users(self._redis, self._counted_users)
            additions = fold(events, self._calendar, counted_users.activity_filter, self._clock()).additions
            keyspace = keys.ONLY.generation(generation)
            names = [keyspace.key(addition.counter) for addition in additions]
            with translate_errors():
                words = await self._readd(
                    keys=[keys.ONLY.deployment, *names],
                    args=[pack(additions, counted_users), generation, counted_users.revision],
                )
            if words is not None:
                return [
                    Finding(addition.counter, word.decode())
                    for addition, word in zip(additions, words, strict=True)
                    if word != b"whole"
                ]
        raise UnavailableError(
            "The live counters, or the list of forgotten people, were changed again and again meanwhile: "
            "start again."
        )
