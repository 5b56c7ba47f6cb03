"""Taking leave of Kafka: in its proper order, but for no longer than a stop may take."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

import structlog

LEAVE_SECONDS: Final = 1.5

log = structlog.get_logger(__name__)


async def close_within(part: str, closing: Coroutine[Any, Any, None]) -> None:
    """Close a part of ours that speaks to Kafka; one that Kafka lets wait is left behind."""
    task = asyncio.create_task(closing)
    task.add_done_callback(consume_exception)
    done, _ = await asyncio.wait({task}, timeout=LEAVE_SECONDS)
    if done:
        task.result()
    else:
        # Left to the end of the event loop and not cancelled: aiokafka's tasks, cancelled one by one, may
        # wait for one another for ever.
        log.warning("left without notice", part=part, cause="Kafka does not answer")


def consume_exception(future: asyncio.Future[None]) -> None:
    """Ask for the error of what nobody waits for any more: asyncio would log it as forgotten."""
    if not future.cancelled():
        future.exception()
