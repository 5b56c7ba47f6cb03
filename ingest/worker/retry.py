"""Retries steps while Kafka or Redis is unavailable, with exponential backoff."""

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
MAX_WAIT_SECONDS: Final = 1.0

P = ParamSpec("P")
T = TypeVar("T")
log = structlog.get_logger(__name__)


class Retry:
    """Retries a step that raises `UnavailableError` until it succeeds or `stopping` is set.

    `wait` waits a number of seconds; a worker polls meanwhile, to keep its membership in the group. `state`
    receives the cause of the wait. Once `stopping` is set, the last `UnavailableError` is raised.
    """

    def __init__(
        self,
        stopping: asyncio.Event,
        wait: Callable[[float], Awaitable[None]],
        state: WorkerState | None = None,
    ) -> None:
        self._state = state or WorkerState()
        self._retrying = AsyncRetrying(
            retry=retry_if_exception_type(UnavailableError),
            wait=wait_random_exponential(multiplier=FIRST_WAIT_SECONDS, max=MAX_WAIT_SECONDS),
            stop=stop_when_event_set(stopping),  # type: ignore[arg-type]  # asks only is_set()
            sleep=wait,
            before_sleep=self._log_wait,
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
                self._log_end(attempt.retry_state)
                return result
        raise AssertionError("the last attempt returns or raises")

    def _log_wait(self, tries: RetryCallState) -> None:
        """Log the first wait of a step."""
        if tries.outcome is None:
            return
        self._state.waiting_for = str(tries.outcome.exception())
        if tries.attempt_number == 1:
            log.warning("waiting", cause=self._state.waiting_for)

    def _log_end(self, tries: RetryCallState) -> None:
        self._state.waiting_for = None
        if tries.attempt_number > 1:
            log.info("resumed", tries=tries.attempt_number)
