"""The scheduler: an event loop in virtual time, on which simulated processes run, freeze and die."""

import asyncio
import heapq
import itertools
import random
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from typing import Any, Final, TypeVar, TypeVarTuple

from tests.simulation.processes import Process, process_of

MAX_TURNS: Final = 400_000
"""Far more than any schedule takes: one that gets here goes round in circles."""

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class StuckError(AssertionError):
    """Nothing is left to run, or something runs for ever without time passing."""


class SimulatedLoop(asyncio.BaseEventLoop):
    """Interleaves processes as chance has it; within one, callbacks keep the order that asyncio gives them.

    Time stands still while anything can run, and then jumps to the next timer.
    """

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.world = Process("world")
        self.processes = [self.world]
        self._chance = chance
        self._now = 0.0
        self._timers: list[tuple[float, int, asyncio.TimerHandle, Process]] = []
        self._timer_numbers = itertools.count()
        self._turns = 0
        self._failure: BaseException | None = None
        self._is_finishing = False

    def spawn(self, name: str, main: Coroutine[Any, Any, T]) -> tuple[Process, asyncio.Task[T]]:
        """Start a process."""
        process = Process(name)
        self.processes.append(process)
        return process, asyncio.Task(main, loop=self, context=process.context())

    def later(self, seconds: float, callback: Callable[[], object]) -> None:
        """Have the world do something, whatever becomes of the process that asked for it."""
        self.call_later(seconds, callback, context=self.world.context())

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run until `main`, which is a part of the world, is done, or something fails."""
        task = asyncio.Task(main, loop=self, context=self.world.context())
        task.add_done_callback(lambda _: self.stop())
        while not task.done() and self._failure is None:
            self.run_forever()
        if self._failure is not None:
            raise self._failure
        return task.result()

    def finish(self) -> None:
        """Cancel whatever is left, of the dead too, and let it end: nothing may warn of it later."""
        self._is_finishing = True
        self._failure = None
        for process in self.processes:
            process.state = "running"
        self.run(self._cancel_all())
        self.close()

    async def _cancel_all(self) -> None:
        own_task = asyncio.current_task(self)
        while left := [task for task in asyncio.all_tasks(self) if task is not own_task]:
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=1.0)

    def fail(self, error: BaseException) -> None:
        """Have `run` end at once and raise this; the first error wins."""
        if not self._is_finishing:
            self._failure = self._failure or error
            self.stop()

    def fail_with(self, task: asyncio.Task[object]) -> None:
        """Fail if a task that is not awaited has failed."""
        if not task.cancelled() and (error := task.exception()):
            self.fail(error)

    def _run_once(self) -> None:
        """Take one turn; `BaseEventLoop` calls this again and again."""
        runnable = [each for each in self.processes if each.ready and each.state == "running"]
        if not runnable:
            self._advance()
            return
        self._turns += 1
        if self._turns > MAX_TURNS:
            raise StuckError(f"still busy after {MAX_TURNS} turns")
        chosen = runnable[int(self._chance.random() * len(runnable))] if len(runnable) > 1 else runnable[0]
        handle = chosen.ready.popleft()
        if not handle.cancelled():
            handle._run()

    def _advance(self) -> None:
        """Go to the next instant at which a timer is due."""
        while self._timers and (self._timers[0][2].cancelled() or self._timers[0][3].state == "dead"):
            heapq.heappop(self._timers)
        if not self._timers:
            raise StuckError("a deadlock: no timer is set and no callback is ready")
        self._now = max(self._now, self._timers[0][0])
        while self._timers and self._timers[0][0] <= self._now:
            _, _, handle, process = heapq.heappop(self._timers)
            process.ready.append(handle)

    # What asyncio asks of a loop.

    def time(self) -> float:
        return self._now

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        context = context or copy_context()
        handle = asyncio.Handle(callback, args, self, context)
        process_of(context, self.world).ready.append(handle)
        return handle

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        context = context or copy_context()
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        process = process_of(context, self.world)
        heapq.heappush(self._timers, (when, next(self._timer_numbers), handle, process))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Leave it where it is: it is passed over when it is due."""

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Take a callback's exception for a failure; what killed processes leave unfinished is none."""
        if "handle" in context:
            self.fail(context["exception"])
