"""Closes Kafka clients within the time that a stop may take."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final

import structlog
from aiokafka.errors import KafkaError

from ingest.errors import UnavailableError

CLOSE_SECONDS: Final = 1.5

log = structlog.get_logger(__name__)


@asynccontextmanager
async def closed_on_failure(close: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Close what the block has opened if it fails or is cancelled.

    Raises `UnavailableError` for Kafka's errors.
    """
    try:
        yield
    except KafkaError as error:
        await close()
        raise UnavailableError(f"Kafka can't be reached: {error}") from error
    except asyncio.CancelledError:
        await close()
        raise


async def close_within(part: str, closing: Coroutine[Any, Any, None]) -> None:
    """Close a Kafka client; if that takes too long, return while it is still closing."""
    task = asyncio.create_task(closing)
    task.add_done_callback(consume_exception)
    done, _ = await asyncio.wait({task}, timeout=CLOSE_SECONDS)
    if done:
        # aiokafka lets the cancellation of its own tasks through if it closes while it waits for a broker.
        if not task.cancelled():
            task.result()
    else:
        # Ended with the event loop instead of cancelled: aiokafka's tasks, if cancelled one by one, may wait
        # for one another for ever.
        log.warning("close timed out", part=part, cause="Kafka does not answer")


def consume_exception(future: asyncio.Future[None]) -> None:
    """Retrieve the exception of a future that is no longer awaited, or asyncio would log it."""
    if not future.cancelled():
        future.exception()
