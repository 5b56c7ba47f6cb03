"""Which errors of Redis pass with time, and which do not."""

import pytest
from redis import exceptions
from redis.asyncio import Redis

from ingest.errors import UnavailableError
from projector.redis.errors import errors_named, is_passing, refuses_writes


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("redis.invalid:6379", "The host in REDIS_URL can't be resolved: .*redis.invalid:6379"),
        ("127.0.0.1:1", "Redis can't be reached: .*127.0.0.1:1"),
    ],
)
async def test_a_redis_that_is_not_there_is_told_from_one_that_refuses(address: str, sentence: str) -> None:
    async with Redis.from_url(f"redis://{address}/0") as redis:
        with pytest.raises(UnavailableError, match=f"^{sentence}"), errors_named():
            await redis.ping()


def test_what_redis_refuses_for_now_is_said_so() -> None:
    with pytest.raises(UnavailableError, match=r"^Redis can't take it now: OutOfMemoryError"), errors_named():
        raise exceptions.OutOfMemoryError("command not allowed when used memory > 'maxmemory'.")


@pytest.mark.parametrize(
    "error",
    [
        exceptions.ConnectionError("refused"),
        exceptions.BusyLoadingError("Redis is loading the dataset in memory"),
        exceptions.TimeoutError("too late"),
        exceptions.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."),
        exceptions.ReadOnlyError("You can't write against a read only replica."),
        exceptions.MasterDownError("Link with MASTER is down"),
        exceptions.NoPermissionError("User worker has no permissions to run the 'time' command"),
        exceptions.ResponseError("ACL failure in script: No permissions to access a key (at headcount:1)"),
        exceptions.ResponseError("MISCONF Errors writing to the AOF file: No space left on device"),
        exceptions.ResponseError("NOREPLICAS Not enough good replicas to write."),
        exceptions.ResponseError("BUSY Redis is busy running a script."),
        exceptions.ResponseError(
            "Command # 1 (HSETNX k f v) of pipeline caused error: ('NOREPLICAS Not enough good',)"
        ),
    ],
    ids=str,
)
def test_what_passes_is_tried_again(error: exceptions.RedisError) -> None:
    assert is_passing(error)


@pytest.mark.parametrize(
    "error",
    [
        exceptions.ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"),
        exceptions.ResponseError(
            "WRONGTYPE Key is not a valid HyperLogLog string value. (at headcount:BUSY:MISCONF)"
        ),
        exceptions.ResponseError("INVALIDOBJ Corrupted HLL object detected"),
        exceptions.ResponseError("unknown command 'PFADD'"),
        exceptions.DataError("not a Redis value"),
    ],
    ids=str,
)
def test_what_does_not_pass_is_not(error: exceptions.RedisError) -> None:
    assert not is_passing(error)


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        (exceptions.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), True),
        (exceptions.ReadOnlyError("You can't write against a read only replica."), True),
        (exceptions.ResponseError("MISCONF Errors writing to the AOF file: No space left on device"), True),
        (exceptions.ResponseError("NOREPLICAS Not enough good replicas to write."), True),
        (exceptions.ConnectionError("MISCONF"), False),
        (exceptions.BusyLoadingError("Redis is loading the dataset in memory"), False),
        (exceptions.TimeoutError("too late"), False),
        (exceptions.NoPermissionError("this user has no permissions to run the 'incrby' command"), False),
        (exceptions.ResponseError("WRONGTYPE Operation against a key (at headcount:MISCONF )"), False),
    ],
    ids=str,
)
def test_a_redis_that_takes_no_writes_is_told_from_one_that_does_not_answer(
    error: exceptions.RedisError, *, refused: bool
) -> None:
    assert refuses_writes(error) == refused
