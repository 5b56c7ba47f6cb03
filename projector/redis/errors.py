"""What an error of Redis means: wait and try again, or stop."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from redis import exceptions

from ingest.errors import OperatorError, UnavailableError

PASSING_TYPES: Final = (
    exceptions.ConnectionError,  # also: loading, wrong password while one is being rotated
    exceptions.TimeoutError,
    exceptions.OutOfMemoryError,
    exceptions.ReadOnlyError,
    exceptions.ClusterDownError,  # also: the master is down
    exceptions.TryAgainError,
    exceptions.NoPermissionError,
)
_FORBIDDEN_TO_SCRIPT: Final = "ACL failure in script"
RIGHTS: Final = (
    "Give the user in REDIS_URL its rights, as in deploy/redis/users.acl; ACL LOG tells which one."
)
_has_passing_code = re.compile(r"(?:^|caused error: \(.)(?:BUSY|MISCONF|NOREPLICAS) ").search
"""Finds codes that redis-py gives no type; in front of a pipeline's errors it puts words of its own."""
_has_refusal_code = re.compile(r"^(?:MISCONF|NOREPLICAS) ").search


def is_passing(error: exceptions.RedisError) -> bool:
    """Tell whether the same call may succeed once time or an operator has helped the server."""
    return isinstance(error, PASSING_TYPES) or lacks_right(error) or _has_passing_code(str(error)) is not None


def lacks_right(error: exceptions.RedisError) -> bool:
    """Tell whether Redis' ACL forbids it to the user; of a script's call it says so in words alone."""
    return isinstance(error, exceptions.NoPermissionError) or _FORBIDDEN_TO_SCRIPT in str(error)


def refuses_writes(error: exceptions.RedisError) -> bool:
    """Tell whether Redis answers and keeps what it has, but takes no more."""
    rejections = (exceptions.OutOfMemoryError, exceptions.ReadOnlyError)
    return isinstance(error, rejections) or _has_refusal_code(str(error)) is not None


def words(error: exceptions.RedisError) -> str:
    """Say what happened: redis-py's repr has no message, and its message no kind."""
    said = f"{type(error).__name__}: {error}"
    return f"{said}. {RIGHTS}" if lacks_right(error) else said


@contextmanager
def refusing_without_rights() -> Iterator[None]:
    """Raise `OperatorError` where the user lacks a right: at the start nobody is waiting for us."""
    try:
        yield
    except exceptions.RedisError as error:
        if lacks_right(error):
            raise OperatorError(f"Redis forbids it: {words(error)}") from error
        raise


@contextmanager
def errors_named() -> Iterator[None]:
    """Raise `UnavailableError` for what passes; let through what does not."""
    try:
        yield
    except exceptions.RedisError as error:
        if is_passing(error):
            raise UnavailableError(_unavailable(error)) from error
        raise


def _unavailable(error: exceptions.RedisError) -> str:
    cause = error.__cause__ or error.__context__
    if isinstance(cause, socket.gaierror):
        return f"The host in REDIS_URL can't be resolved: {error}"
    if isinstance(cause, OSError):
        return f"Redis can't be reached: {words(error)}"
    return f"Redis can't take it now: {words(error)}"
