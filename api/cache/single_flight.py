"""Single flight: concurrent requests for the same key share one call."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Final, Generic, TypeVar

from api.cache.ttl_cache import Timer

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")


_NONE: Final = (0.0, None)


class SingleFlight(Generic[Key, Result]):
    """Runs one call per key at a time. Its result goes to all that joined it; a later request starts another.

    A call that takes longer than `seconds` is not joined any more: its requests have deadlines of their own.
    """

    def __init__(
        self, call: Callable[[Key], Coroutine[Any, Any, Result]], *, seconds: float, timer: Timer
    ) -> None:
        self._call = call
        self._seconds = seconds
        self._timer = timer
        self._in_flight: dict[Key, tuple[float, asyncio.Task[Result]]] = {}

    async def join(self, key: Key) -> Result:
        """Await the result; an error of the call is raised to every request that joined."""
        until, flight = self._in_flight.get(key, _NONE)
        if flight is None or self._timer() >= until:
            flight = self._start(key)
        # A cancelled request does not cancel the call: the others still get its result.
        return await asyncio.shield(flight)

    def begin(self, key: Key) -> None:
        """Start the call without waiting, unless it is running; only requests that join get its error."""
        if key not in self._in_flight:
            self._start(key).add_done_callback(_ignore_error)

    def _start(self, key: Key) -> asyncio.Task[Result]:
        until = self._timer() + self._seconds
        flight = asyncio.create_task(self._run(key, until))
        self._in_flight[key] = until, flight
        return flight

    async def _run(self, key: Key, until: float) -> Result:
        try:
            return await self._call(key)
        finally:
            # Here and not in a callback, before which a request could join a finished call; unless this one
            # took so long that another one has replaced it.
            if self._in_flight.get(key, _NONE)[0] == until:
                del self._in_flight[key]


def _ignore_error(flight: asyncio.Task[Any]) -> None:
    if not flight.cancelled():
        flight.exception()  # else asyncio logs an exception that was never retrieved
