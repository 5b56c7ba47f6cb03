"""The cache of rendered answers per workspace and query, with one read of the counters at a time."""

from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

from api.cache.single_flight import SingleFlight
from api.cache.ttl_cache import Timer, TTLCache
from httpd.cached_response import CachedResponse

Q = TypeVar("Q", bound=Hashable)

FRESH_SECONDS: Final = 0.25
"""The age at which an answer expires, counted from before its counters were read.

The API promises one second. Answers are renewed sooner because an event should show as soon as it is counted,
and four reads a second cost Redis next to nothing."""
RENEWED_AFTER_SECONDS: Final = 0.1
"""The age from which a request gets the cached answer and starts the next read: no poller waits for one."""
MAX_ANSWERS: Final = 10_000

_NONE: Final = (None, 0.0)

Read = Callable[[str, Q], Awaitable[CachedResponse]]
"""Reads and renders the answer to a query of a workspace."""


class AnswerCache(Generic[Q]):
    """Serves all requests with the same workspace and query from one read; errors are not cached."""

    def __init__(self, read: Read[Q], timer: Timer, *, timeout_seconds: float) -> None:
        self._read = read
        self._timer = timer
        self._cache = TTLCache[tuple[str, Q], tuple[CachedResponse, float]](
            seconds=FRESH_SECONDS, max_entries=MAX_ANSWERS, timer=timer
        )
        self._single_flight = SingleFlight(self._read_answer, seconds=timeout_seconds, timer=timer)

    async def load(self, workspace_id: str, query: Q) -> CachedResponse:
        """Return the answer; raises what the read raises, and `TimeoutError`."""
        return self.get(workspace_id, query) or await self._single_flight.join((workspace_id, query))

    def get(self, workspace_id: str, query: Q) -> CachedResponse | None:
        """Return the answer if it is fresh, without waiting."""
        key = (workspace_id, query)
        answer, renewed_at = self._cache.get(key) or _NONE
        if answer is not None and self._timer() >= renewed_at:
            self._single_flight.begin(key)
        return answer

    async def _read_answer(self, key: tuple[str, Q]) -> CachedResponse:
        read_at = self._timer()
        answer = await self._read(*key)
        self._cache.put(key, (answer, read_at + RENEWED_AFTER_SECONDS), read_at=read_at)
        return answer
