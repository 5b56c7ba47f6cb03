"""The repair: adds the events of the log to the live counters, and moves no checkpoint.

Adding is a union: a user that a counter contains already does not change it, so that a change shows what the
counter lacked.
"""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Final

from ingest.errors import UnavailableError
from ingest.events.event import Event
from projector import keys
from projector.calendar import Calendar
from projector.checkpoints import read_progress
from projector.counted_users import CountedUsers, read_counted_users
from projector.fold import fold, pack
from projector.rebuild.finding import Finding, State
from projector.redis import Redis
from projector.redis.errors import translate_errors
from projector.scripts.counters import Additions, ReaddScript

REPAIRED: Final[frozenset[State]] = frozenset({"missing", "incomplete"})
"""The states that adding repairs; a key of another type is left as it is."""
TRIES: Final = 10


class Repair:
    """Adds events that are before the checkpoints. `clock` returns the time of day, aware."""

    def __init__(
        self, redis: Redis, calendar: Calendar, counted_users: CountedUsers, *, clock: Callable[[], datetime]
    ) -> None:
        self._redis = redis
        self._calendar = calendar
        self._counted_users = counted_users
        self._clock = clock
        self._readd = ReaddScript(redis)

    async def add(self, events: Collection[Event]) -> list[Finding]:
        """Return the counters that lacked one of these events, and the keys that are no counters.

        Raises `UnavailableError`.
        """
        for _ in range(TRIES):
            # The script adds nothing if another generation is live or the list has changed.
            generation = (await read_progress(self._redis)).generation
            counted_users = await read_counted_users(self._redis, self._counted_users)
            additions = fold(events, self._calendar, counted_users.activity_filter, self._clock()).additions
            counters = [addition.counter for addition in additions]
            with translate_errors():
                states = await self._readd(
                    keys.ONLY,
                    generation,
                    Additions(counters, pack(additions, counted_users)),
                    revision=counted_users.revision,
                )
            if states is not None:
                findings = map(Finding, counters, states)
                return [finding for finding in findings if finding.state != "whole"]
        raise UnavailableError(
            "The live generation or the list of forgotten users changed during each of "
            f"{TRIES} attempts: start again."
        )
