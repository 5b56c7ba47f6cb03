"""Processes that share an event loop and nothing else: each can freeze and die as a whole."""

import asyncio
from collections import deque
from contextvars import Context, ContextVar, copy_context
from typing import Literal

_current: ContextVar["Process"] = ContextVar("process")


class Process:
    """What an operating system knows of a process: its callbacks in their order, and whether they run.

    Freezing is SIGSTOP: its timers go off late, and what it asked of a server is done meanwhile. Killing is
    `kill -9`: no callback of it runs again, so that no `finally` of its does.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.state: Literal["running", "frozen", "dead"] = "running"
        self.ready: deque[asyncio.Handle] = deque()
        self._context = copy_context()
        self._context.run(_current.set, self)

    def context(self) -> Context:
        """Return the context in which callbacks are this process's own."""
        return self._context.copy()

    def freeze(self) -> None:
        if self.state == "running":
            self.state = "frozen"

    def thaw(self) -> None:
        if self.state == "frozen":
            self.state = "running"

    def kill(self) -> None:
        self.state = "dead"


def current_process(default: Process) -> Process:
    """Return the process whose callback runs."""
    return _current.get(default)


def process_of(context: Context, default: Process) -> Process:
    """Return the process to which callbacks in a context belong."""
    return context.get(_current, default)
