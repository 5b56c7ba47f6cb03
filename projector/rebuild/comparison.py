"""The comparison of the counters of two projections of the same log."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Final

from projector.calendar import Calendar
from projector.keys import Counter, Keyspace
from projector.rebuild.finding import Finding
from projector.redis import Redis
from projector.redis.errors import translate_errors
from projector.redis.scan import scan_keyspace
from projector.scripts.counters import CompareScript

PAGE: Final = 200
"""The number of counters compared in one script call: Redis serves no other client meanwhile."""


class Comparison:
    """Compares the live counters with those of a second projection, and changes neither. `clock` is aware."""

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
        self._compare = CompareScript(redis)

    async def differences(self) -> AsyncIterator[Finding]:
        """Yield each counter that differs; raises `UnavailableError`."""
        for keyspace in (self._live, self._second):
            async for page in scan_keyspace(self._redis, keyspace):
                for finding in await self.states([each for key in page if (each := keyspace.counter(key))]):
                    # Missing counters are found by the scan of the second projection, others by the first.
                    if (finding.state == "missing") == (keyspace == self._second):
                        yield finding

    async def states(self, counters: Sequence[Counter]) -> list[Finding]:
        """Return those of the counters that differ."""
        found: list[Finding] = []
        for first in range(0, len(counters), PAGE):
            page = counters[first : first + PAGE]
            with translate_errors():
                found += map(Finding, page, await self._compare(self._live, self._second, page))
        return [finding for finding in found if finding.state != "whole" and not self._is_expired(finding)]

    def _is_expired(self, finding: Finding) -> bool:
        """Return whether a missing counter is missing because it expired while the log was read."""
        return finding.state == "missing" and self._calendar.is_expired(finding.counter.period, self._clock())
