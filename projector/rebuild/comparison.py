"""The comparison: the counters of two projections of the same log, held against each other."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Final

from projector import scripts
from projector.calendar import Calendar
from projector.keys import Counter, Keyspace
from projector.rebuild.finding import Finding, State
from projector.redis import Redis
from projector.redis.errors import translate_errors
from projector.redis.scan import scan_keyspace

PAGE: Final = 200
"""How many counters are compared in one go: Redis serves nobody else meanwhile."""


class Comparison:
    """Holds the live counters against a second projection's, and writes to neither. `clock` is aware."""

    def __init__(
        self,
        redis: Redis,
        calendar: Calendar,
        live: Keyspace,
        second: Keyspace,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._redis = redis
        self._calendar = calendar
        self._live = live
        self._second = second
        self._clock = clock
        self._compare = redis.register_script(scripts.source(scripts.COMPARE))

    async def differences(self) -> AsyncIterator[Finding]:
        """Yield each counter that is not the same in both; raises `UnavailableError`."""
        for keyspace in (self._live, self._second):
            async for page in scan_keyspace(self._redis, keyspace):
                for finding in await self.states([each for key in page if (each := keyspace.counter(key))]):
                    # A missing counter is met in the second projection, every other one in the live one.
                    if (finding.state == "missing") == (keyspace == self._second):
                        yield finding

    async def states(self, counters: Sequence[Counter]) -> list[Finding]:
        """Return those of the counters that are not the same in both."""
        found: list[Finding] = []
        for first in range(0, len(counters), PAGE):
            some = counters[first : first + PAGE]
            found += map(Finding, some, await self._ask(some))
        return [finding for finding in found if finding.state != "whole" and not self._is_expired(finding)]

    async def _ask(self, counters: Sequence[Counter]) -> list[State]:
        compared = [space.key(counter) for counter in counters for space in (self._live, self._second)]
        with translate_errors():
            words = await self._compare(keys=[self._second.union, *compared])
        return [word.decode() for word in words]

    def _is_expired(self, finding: Finding) -> bool:
        """Tell whether a missing counter was right to go: its time ran out while the log was read."""
        return finding.state == "missing" and self._calendar.is_expired(finding.counter.period, self._clock())
