"""The rebuilder: of those who would count the log anew, there is one at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from redis.asyncio import Redis
from redis.asyncio.lock import Lock
from redis.exceptions import LockError

from ingest.errors import HeadcountError, OperatorError, UnavailableError
from projector import keys
from projector.redis.errors import errors_named

LEASE_SECONDS: Final = 15.0
RENEWAL_SECONDS: Final = 3.0


@asynccontextmanager
async def rebuild_lock(redis: Redis) -> AsyncIterator[bytes]:
    """Be the only one as long as the block lasts, which is ended where that can't be kept up.

    Yields the token that proves it. Raises `OperatorError` where there is another, `UnavailableError`.
    """
    lock = Lock(redis, keys.ONLY.rebuild_lock, timeout=LEASE_SECONDS, blocking=False)
    with errors_named():
        acquired = await lock.acquire()
    if not acquired:
        raise OperatorError(
            "Another rebuild is under way, or one was killed a moment ago: "
            f"wait for its end, or for {LEASE_SECONDS:.0f} s."
        )
    try:
        async with asyncio.TaskGroup() as tasks:
            # Not cancelled: redis-py may take a cancellation for its own, and go on.
            ended = asyncio.Event()
            tasks.create_task(_renew(lock, ended))
            try:
                yield lock.local.token
            finally:
                ended.set()
    except* HeadcountError as errors:
        raise errors.exceptions[0] from None
    finally:
        with suppress(LockError, UnavailableError), errors_named():
            await lock.release()


async def _renew(lock: Lock, ended: asyncio.Event) -> None:
    while not ended.is_set():
        try:
            with errors_named():
                await lock.reacquire()
        except LockError as error:
            raise UnavailableError("Redis lost what was counted, or somebody else rebuilds.") from error
        with suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), RENEWAL_SECONDS)
