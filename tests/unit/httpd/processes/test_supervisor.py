"""Supervision of children that run small scripts, so that each lasts a few milliseconds."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext

import pytest

from httpd.processes.child import Child, running_child
from httpd.processes.supervisor import RestartPolicy, Supervisor
from ingest.errors import OperatorError
from tests.support.waiting import scaled, wait_until, within

LISTENS = "import os, socket, sys, time; end = socket.socket(fileno=int(sys.argv[1])); end.send(bytes(8));"
LIVES = f"{LISTENS} end.recv(1)"
DIES = f"{LISTENS} sys.exit(3)"
REFUSES = "import sys; sys.exit(4)"
HANGS = f"{LISTENS} time.sleep(60)"
IGNORES = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + HANGS

POLICY = RestartPolicy(
    start_seconds=scaled(20), silent_seconds=scaled(20), quick_deaths=3, first_wait_seconds=0.001
)


class Children:
    """Starts children that run a program, and records all of them."""

    def __init__(self, program: str, *, stop_seconds: float = 20) -> None:
        self.command = (sys.executable, "-S", "-c", program)
        self.stop_seconds = stop_seconds
        self.started: list[Child] = []
        self.ended: list[Child] = []
        self.opened: list[Child] = []

    @asynccontextmanager
    async def start(self) -> AsyncIterator[Child]:
        async with running_child(
            "http://127.0.0.1:8080", os.environ, program=self.command, stop_seconds=self.stop_seconds
        ) as child:
            self.started.append(child)
            yield child
        self.ended.append(child)

    def open_to(self, child: Child) -> AbstractContextManager[None]:
        self.opened.append(child)
        return nullcontext()

    async def keep(self, count: int, policy: RestartPolicy = POLICY) -> None:
        await Supervisor(self.start, self.open_to, policy).run(count, lambda: None)


async def end(keeping: asyncio.Task[None]) -> None:
    keeping.cancel()
    await asyncio.wait({keeping})


def refusal(caught: pytest.ExceptionInfo[ExceptionGroup[Exception]]) -> str:
    (error,) = caught.value.exceptions
    assert isinstance(error, OperatorError)
    return str(error)


async def test_a_failing_start_is_reported_once() -> None:
    children = Children(REFUSES)
    with pytest.raises(ExceptionGroup) as caught:
        await children.keep(3)
    assert "before it was ready (exit code 4)" in refusal(caught)
    assert len(children.started) == 1


async def test_on_listening_is_called_once() -> None:
    children, calls = Children(LIVES), asyncio.Queue[int]()
    supervisor = Supervisor(children.start, children.open_to, POLICY)
    keeping = asyncio.create_task(supervisor.run(3, lambda: calls.put_nowait(len(children.opened))))
    async with within(20):
        assert await calls.get() == 3
    os.kill(children.started[0].pid, signal.SIGKILL)
    await wait_until(lambda: len(children.opened) == 4, deadline_seconds=20, message="it was replaced")
    await end(keeping)
    assert calls.empty()
    assert len(children.ended) == 1  # the others ended with the block
    assert [await child.ended() for child in children.started] == ["SIGKILL"] + ["SIGTERM"] * 3


async def test_children_that_keep_dying_quickly_are_not_replaced() -> None:
    children = Children(DIES)
    with pytest.raises(ExceptionGroup) as caught:
        await children.keep(1)
    assert refusal(caught).startswith(
        "3 API processes in a row exited within 10 s of their start (the last: exit code 3)"
    )
    assert len(children.started) == len(children.opened) == 3


async def test_children_that_die_later_are_always_replaced() -> None:
    children = Children(DIES)
    keeping = asyncio.create_task(children.keep(1, RestartPolicy(quick_seconds=0, first_wait_seconds=0.001)))
    await wait_until(lambda: len(children.ended) > 6, deadline_seconds=20, message="it was replaced")
    await end(keeping)


async def test_a_child_that_hangs_is_killed_and_replaced() -> None:
    children = Children(HANGS)
    policy = RestartPolicy(silent_seconds=0.1, quick_seconds=0, first_wait_seconds=0.001)
    keeping = asyncio.create_task(children.keep(1, policy))
    await wait_until(lambda: len(children.opened) > 1, deadline_seconds=20, message="it was replaced")
    await end(keeping)
    assert await children.started[0].ended() == "SIGKILL"


async def test_a_child_that_never_listens_is_killed() -> None:
    children = Children("import time; time.sleep(60)")
    with pytest.raises(ExceptionGroup) as caught:
        await children.keep(2, RestartPolicy(start_seconds=0.1))
    assert "before it was ready (SIGKILL)" in refusal(caught)


async def test_a_child_that_does_not_end_in_time_is_killed() -> None:
    children = Children(IGNORES, stop_seconds=0.1)
    keeping = asyncio.create_task(children.keep(1))
    await wait_until(lambda: children.opened, deadline_seconds=20, message="it listened")
    await end(keeping)
    assert await children.started[0].ended() == "SIGKILL"


async def test_a_suspended_child_ends_when_it_is_asked_to() -> None:
    children = Children(LIVES)
    keeping = asyncio.create_task(children.keep(1))
    await wait_until(lambda: children.opened, deadline_seconds=20, message="it listened")
    os.kill(children.started[0].pid, signal.SIGSTOP)
    await end(keeping)
    assert await children.started[0].ended() == "SIGTERM"
