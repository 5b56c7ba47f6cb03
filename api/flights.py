"""Questions under way: who asks what somebody else is asking already waits for the same answer."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

Question = TypeVar("Question", bound=Hashable)
Answer = TypeVar("Answer")


class Flights(Generic[Question, Answer]):
    """Asks each question once at a time. An answer is for those who waited; whoever comes after asks anew."""

    def __init__(self, ask: Callable[[Question], Coroutine[Any, Any, Answer]], *, seconds: float) -> None:
        self._ask = ask
        self._seconds = seconds
        self._flying: dict[Question, asyncio.Task[Answer]] = {}

    async def join(self, question: Question) -> Answer:
        """Wait for the answer. What asking raises is raised to all; `TimeoutError` after so many seconds."""
        flight = self._flying.get(question) or self._start(question)
        # Whoever gives up, gives up alone: the others still get their answer.
        return await asyncio.shield(flight)

    def _start(self, question: Question) -> asyncio.Task[Answer]:
        flight = self._flying[question] = asyncio.create_task(self._fly(question))
        return flight

    async def _fly(self, question: Question) -> Answer:
        try:
            # Not only those who wait have a deadline: what hangs must not be joined for ever.
            async with asyncio.timeout(self._seconds):
                return await self._ask(question)
        finally:
            # Here and not in a callback, before which somebody could join what is over.
            del self._flying[question]
