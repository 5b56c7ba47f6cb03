"""Waiting for a server that is away, without losing the place in the group."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, ParamSpec, TypeVar

import structlog
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_when_event_set,
    wait_random_exponential,
)

from ingest.errors import UnavailableError
from ingest.worker.state import WorkerState

FIRST_WAIT_SECONDS: Final = 0.05
LONGEST_WAIT_SECONDS: Final = 1.0

P = ParamSpec("P")
T = TypeVar("T")
log = structlog.get_logger(__name__)


class Retry:
    """Tries a step again until it succeeds or the stop is asked for.

    `idle` waits a number of seconds in the caller's own way; `state` is told what for. Raises the last
    `UnavailableError` at the stop.
    """

    def __init__(
        self,
        stopping: asyncio.Event,
        idle: Callable[[float], Awaitable[None]],
        state: WorkerState | None = None,
    ) -> None:
        self._state = state or WorkerState()
        self._retrying = AsyncRetrying(
            retry=retry_if_exception_type(UnavailableError),
            wait=wait_random_exponential(multiplier=FIRST_WAIT_SECONDS, max=LONGEST_WAIT_SECONDS),
            stop=stop_when_event_set(stopping),  # type: ignore[arg-type]  # asks only is_set()
            sleep=idle,
            before_sleep=self._announce,
            reraise=True,
        )

    async def retry_until_stopped(
        self, step: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return what the step returns."""
        async for attempt in self._retrying.copy():
            self._state.turn()
            with attempt:
                result = await step(*args, **kwargs)
                self._announce_end(attempt.retry_state)
                return result
        raise AssertionError("the last attempt returns or raises")

    def _announce(self, tries: RetryCallState) -> None:
        """Say once that a wait began: the first try failed."""
        if tries.outcome is None:
            return
        self._state.waiting_for = str(tries.outcome.exception())
        if tries.attempt_number == 1:
            log.warning("waiting", cause=self._state.waiting_for)

    def _announce_end(self, tries: RetryCallState) -> None:
        self._state.waiting_for = None
        if tries.attempt_number > 1:
            log.info("resumed", tries=tries.attempt_number)
