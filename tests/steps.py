"""The steps of the fakes: every await of theirs, in its order, for a test to break in at."""

import asyncio
import inspect
from collections import defaultdict, deque
from collections.abc import Callable

from ingest.errors import UnavailableError


class Steps:
    """Has any one step do something, or be the last; a step that is the last never ends."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.last: int | None = None
        """The number of the step at which the world stops for good, counted from 0."""
        self.stopped = asyncio.Event()
        self._planned: defaultdict[str, deque[Callable[[], object]]] = defaultdict(deque)

    def plan(self, name: str, *actions: Callable[[], object]) -> None:
        """Have the next steps of that name do these; an action may raise, or be awaitable."""
        self._planned[name].extend(actions)

    async def take(self, name: str) -> None:
        if len(self.taken) == self.last:
            self.stopped.set()
            await asyncio.Event().wait()
        self.taken.append(name)
        outcome = self._planned[name].popleft()() if self._planned[name] else None
        if inspect.isawaitable(outcome):
            await outcome
        await asyncio.sleep(0)


def away() -> None:
    """Stand in for a server that is out of reach."""
    raise UnavailableError("away")
