"""Supervision of child processes: one that ends is replaced, unless its replacements keep failing."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass

import structlog

from httpd.processes.child import Child
from ingest.errors import OperatorError

log = structlog.get_logger(__name__)

OpenTo = Callable[[Child], AbstractContextManager[None]]
"""Gives clients to a child for the duration of the block."""
Start = Callable[[], AbstractAsyncContextManager[Child]]
"""Runs a child for the duration of the block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """The timeouts of a child, and how soon and how often it is replaced.

    The end of a child that ran for less than `quick_seconds` is a quick death. After `quick_deaths` of them
    in a row the child is not replaced again; the wait before a replacement doubles with each.
    """

    start_seconds: float = 60.0
    silent_seconds: float = 30.0
    quick_seconds: float = 10.0
    quick_deaths: int = 6
    first_wait_seconds: float = 0.1

    def wait_seconds(self, quick_deaths: int) -> float:
        """Return the wait after so many quick deaths in a row."""
        return self.first_wait_seconds * 2.0**quick_deaths


class Supervisor:
    """Keeps a number of children running until it is cancelled, which ends them."""

    def __init__(self, start: Start, open_to: OpenTo, policy: RestartPolicy) -> None:
        self._start = start
        self._open_to = open_to
        self._policy = policy

    async def run(self, count: int, on_listening: Callable[[], None]) -> None:
        """Run the children, calling `on_listening` once when all listen for the first time.

        Raises `OperatorError`, after ending the others, if a child does not listen at the start, or if it and
        its replacements end too quickly.
        """
        async with asyncio.TaskGroup() as group:

            def begin() -> asyncio.Event:
                listening = asyncio.Event()
                group.create_task(self._run_child(listening))
                return listening

            # The first one alone: if its configuration is refused, the others would each repeat the error.
            await begin().wait()
            for listening in [begin() for _ in range(count - 1)]:
                await listening.wait()
            on_listening()

    async def _run_child(self, listening: asyncio.Event) -> None:
        clock = asyncio.get_running_loop().time
        quick_deaths = 0
        while True:
            began = clock()
            pid, ending = await self._run_once(listening)
            quick_deaths = quick_deaths + 1 if clock() - began < self._policy.quick_seconds else 0
            self._check(ending, quick_deaths, has_listened=listening.is_set())
            wait = self._policy.wait_seconds(quick_deaths)
            log.warning("process ended", pid=pid, ending=ending, replaced_in_seconds=wait)
            await asyncio.sleep(wait)

    async def _run_once(self, listening: asyncio.Event) -> tuple[int, str]:
        async with self._start() as child:
            try:
                await self._follow(child, listening)
            except TimeoutError:
                log.warning("process hangs and is killed", pid=child.pid)
                await child.kill()
            return child.pid, await child.ended()

    async def _follow(self, child: Child, listening: asyncio.Event) -> None:
        if await child.reports(within_seconds=self._policy.start_seconds):
            log.info("process listens", pid=child.pid)
            listening.set()
            with self._open_to(child):
                while await child.reports(within_seconds=self._policy.silent_seconds):
                    pass
        async with asyncio.timeout(self._policy.silent_seconds):
            await child.ended()

    def _check(self, ending: str, quick_deaths: int, *, has_listened: bool) -> None:
        if not has_listened:
            raise OperatorError(
                f"An API process exited before it was ready ({ending}); see its log output above."
            )
        if quick_deaths >= self._policy.quick_deaths:
            raise OperatorError(
                f"{quick_deaths} API processes in a row exited within {self._policy.quick_seconds:g} s of "
                f"their start (the last: {ending}); no other is started. See their log output above."
            )
