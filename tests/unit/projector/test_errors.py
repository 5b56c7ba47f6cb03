"""The errors of Redis: which are transient, and the sentences that report them."""

import pytest
from redis import exceptions
from redis.asyncio import Redis

from ingest.errors import UnavailableError
from projector.redis.errors import is_transient, refuses_writes, translate_errors

REJECTED = r"^Redis rejects the command for now: OutOfMemoryError"


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("redis.invalid:6379", "The host in REDIS_URL can't be resolved: .*redis.invalid:6379"),
        ("127.0.0.1:1", "Redis can't be reached: .*127.0.0.1:1"),
    ],
)
async def test_an_unknown_host_and_a_refused_connection_differ(address: str, sentence: str) -> None:
    async with Redis.from_url(f"redis://{address}/0") as redis:
        with pytest.raises(UnavailableError, match=f"^{sentence}"), translate_errors():
            await redis.ping()


def test_a_transient_rejection_is_reported_as_one() -> None:
    with pytest.raises(UnavailableError, match=REJECTED), translate_errors():
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
def test_a_transient_error_is_retried(error: exceptions.RedisError) -> None:
    assert is_transient(error)


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
def test_a_permanent_error_is_not_retried(error: exceptions.RedisError) -> None:
    assert not is_transient(error)


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
def test_rejected_writes_are_distinguished_from_other_errors(
    error: exceptions.RedisError, *, refused: bool
) -> None:
    assert refuses_writes(error) == refused


def test_a_failed_connection_without_a_cause_is_no_rejection() -> None:
    with pytest.raises(UnavailableError, match=r"^Redis can't be reached: "), translate_errors():
        raise exceptions.ConnectionError("Error 111 connecting to 127.0.0.1:6379.")
