"""The steps of the fakes: every await of theirs, in its order, for a test to break in at."""

import asyncio
import inspect
from collections import defaultdict, deque
from collections.abc import Callable

from ingest.errors import UnavailableError


class Steps:
    """Has a step do something more, or holds it up: `hold_at` is the number of that step, counted from 0."""

    def __init__(self, hold_at: int | None = None) -> None:
        self.taken: list[str] = []
        self.held = asyncio.Event()
        self._hold_at = hold_at
        self._released = asyncio.Event()
        self._planned: defaultdict[str, deque[Callable[[], object]]] = defaultdict(deque)

    def plan(self, name: str, *actions: Callable[[], object]) -> None:
        """Have the next steps of that name do these; an action may raise, or be awaitable."""
        self._planned[name].extend(actions)

    def release(self) -> None:
        """Let the step that was held up go on."""
        self._released.set()

    async def take(self, name: str) -> None:
        self.taken.append(name)
        if len(self.taken) - 1 == self._hold_at:
            self.held.set()
            await self._released.wait()
        outcome = self._planned[name].popleft()() if self._planned[name] else None
        if inspect.isawaitable(outcome):
            await outcome
        await asyncio.sleep(0)


def away() -> None:
    """Stand in for a server that is out of reach."""
    raise UnavailableError("away")
