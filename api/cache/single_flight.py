"""Questions under way: who asks what somebody else is asking already waits for the same answer."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Final, Generic, TypeVar

from api.cache.ttl_cache import Timer

Question = TypeVar("Question", bound=Hashable)
Answer = TypeVar("Answer")


_NONE: Final = (0.0, None)


class SingleFlight(Generic[Question, Answer]):
    """Asks each question once at a time. An answer is for those who waited; whoever comes after asks anew.

    What takes longer than `seconds` is joined by nobody any more: those who wait have deadlines of their own.
    """

    def __init__(
        self, ask: Callable[[Question], Coroutine[Any, Any, Answer]], *, seconds: float, timer: Timer
    ) -> None:
        self._ask = ask
        self._seconds = seconds
        self._timer = timer
        self._in_flight: dict[Question, tuple[float, asyncio.Task[Answer]]] = {}

    async def join(self, question: Question) -> Answer:
        """Wait for the answer; what asking raises is raised to all who wait."""
        until, flight = self._in_flight.get(question, _NONE)
        if flight is None or self._timer() >= until:
            flight = self._start(question)
        # Whoever gives up, gives up alone: the others still get their answer.
        return await asyncio.shield(flight)

    def begin(self, question: Question) -> None:
        """Ask without waiting, unless it is being asked; an error is told to those who join, if any."""
        if question not in self._in_flight:
            self._start(question).add_done_callback(_ignore_error)

    def _start(self, question: Question) -> asyncio.Task[Answer]:
        until = self._timer() + self._seconds
        flight = asyncio.create_task(self._fly(question, until))
        self._in_flight[question] = until, flight
        return flight

    async def _fly(self, question: Question, until: float) -> Answer:
        try:
            return await self._ask(question)
        finally:
            # Here and not in a callback, before which somebody could join what is over; unless it took so
            # long that another one flies by now.
            if self._in_flight.get(question, _NONE)[0] == until:
                del self._in_flight[question]


def _ignore_error(flight: asyncio.Task[Any]) -> None:
    if not flight.cancelled():
        flight.exception()  # asyncio complains of one that nobody looks at
