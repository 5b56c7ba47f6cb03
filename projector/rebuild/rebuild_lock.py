"""The lock that allows one rebuild at a time, and the pause of writes while it switches over."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Final

from ingest.errors import HeadcountError, OperatorError, UnavailableError
from projector import keys
from projector.redis import Lock, Redis
from projector.redis.errors import LockError, translate_errors

LEASE_SECONDS: Final = 15.0
RENEWAL_SECONDS: Final = 3.0
LONGEST_PAUSE: Final = timedelta(seconds=2)
"""The pause ends by itself after this time, in case the rebuild was killed."""

PAUSE_FIELD: Final = "held_until"


@asynccontextmanager
async def rebuild_lock(redis: Redis) -> AsyncIterator[bytes]:
    """Hold the lock for the duration of the block; the block is cancelled if the lock can't be renewed.

    Yields the token of the lock. Raises `OperatorError` if another process holds it, and `UnavailableError`.
    """
    lock = Lock(redis, keys.ONLY.rebuild_lock, timeout=LEASE_SECONDS, blocking=False)
    with translate_errors():
        acquired = await lock.acquire()
    if not acquired:
        raise OperatorError(
            "Another rebuild is running, or one was killed a moment ago: "
            f"wait until it ends, or {LEASE_SECONDS:.0f} s."
        )
    try:
        async with asyncio.TaskGroup() as tasks:
            # An event and not a cancellation: redis-py may swallow a cancellation and continue.
            ended = asyncio.Event()
            tasks.create_task(_renew(lock, ended))
            try:
                yield lock.local.token
            finally:
                ended.set()
    except* HeadcountError as errors:
        raise errors.exceptions[0] from None
    finally:
        with suppress(LockError, UnavailableError), translate_errors():
            await lock.release()


async def _renew(lock: Lock, ended: asyncio.Event) -> None:
    while not ended.is_set():
        try:
            with translate_errors():
                await lock.reacquire()
        except LockError as error:
            raise UnavailableError("Redis lost the rebuild's data, or another rebuild is running.") from error
        with suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), RENEWAL_SECONDS)


@asynccontextmanager
async def writes_paused(redis: Redis) -> AsyncIterator[None]:
    """Pause the workers' writes for the duration of the block, but no longer than `LONGEST_PAUSE`.

    Reads continue. No guarantee rests on the pause: the switch compares checkpoints and finds any write that
    was made all the same. Raises `UnavailableError`.
    """
    with translate_errors():
        seconds, microseconds = await redis.time()
        until = seconds * 1000 + microseconds // 1000 + int(LONGEST_PAUSE.total_seconds() * 1000)
        await redis.hset(keys.ONLY.deployment, PAUSE_FIELD, str(until))
    try:
        yield
    finally:
        with translate_errors():
            await redis.hdel(keys.ONLY.deployment, PAUSE_FIELD)
