"""The errors of Redis: which are transient, and the sentences that report them."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from redis import exceptions
from redis.exceptions import LockError, RedisError, ResponseError

from ingest.errors import OperatorError, UnavailableError

__all__ = [
    "RIGHTS",
    "LockError",
    "RedisError",
    "ResponseError",
    "describe",
    "is_transient",
    "lacks_right",
    "refuses_writes",
    "require_rights",
    "translate_errors",
]

RIGHTS: Final = (
    "Give the user in REDIS_URL its rights, as in deploy/redis/users.acl; ACL LOG shows which one is missing."
)

_TRANSIENT_TYPES: Final = (
    exceptions.ConnectionError,  # also: loading, wrong password while one is being rotated
    exceptions.TimeoutError,
    exceptions.OutOfMemoryError,
    exceptions.ReadOnlyError,
    exceptions.ClusterDownError,  # also: the master is down
    exceptions.TryAgainError,
    exceptions.NoPermissionError,
)
_FORBIDDEN_TO_SCRIPT: Final = "ACL failure in script"
_has_transient_code = re.compile(r"(?:^|caused error: \(.)(?:BUSY|MISCONF|NOREPLICAS) ").search
"""Finds error codes that have no type in redis-py, which puts text of its own before a pipeline's errors."""
_has_rejection_code = re.compile(r"^(?:MISCONF|NOREPLICAS) ").search

UNREACHABLE: Final = (exceptions.ConnectionError, exceptions.TimeoutError)
"""Raised themselves, not as one of their subclasses, for a connection that fails: also without a cause."""


def is_transient(error: RedisError) -> bool:
    """Return whether the same call may succeed later, once the server has recovered or been fixed."""
    return (
        isinstance(error, _TRANSIENT_TYPES)
        or lacks_right(error)
        or _has_transient_code(str(error)) is not None
    )


def lacks_right(error: RedisError) -> bool:
    """Return whether the ACL denies the command; for a call in a script only the message says so."""
    return isinstance(error, exceptions.NoPermissionError) or _FORBIDDEN_TO_SCRIPT in str(error)


def refuses_writes(error: RedisError) -> bool:
    """Return whether Redis is reachable and serves reads but rejects writes."""
    rejections = (exceptions.OutOfMemoryError, exceptions.ReadOnlyError)
    return isinstance(error, rejections) or _has_rejection_code(str(error)) is not None


def describe(error: RedisError) -> str:
    """Return the type and the message: redis-py's repr lacks the message, its str the type."""
    text = f"{type(error).__name__}: {error}"
    return f"{text}. {RIGHTS}" if lacks_right(error) else text


@contextmanager
def require_rights() -> Iterator[None]:
    """Raise `OperatorError` if the user lacks a right: at the start there is no reason to retry."""
    try:
        yield
    except RedisError as error:
        if lacks_right(error):
            raise OperatorError(f"Redis denies the command: {describe(error)}") from error
        raise


@contextmanager
def translate_errors() -> Iterator[None]:
    """Raise `UnavailableError` for transient errors; let others through."""
    try:
        yield
    except RedisError as error:
        if is_transient(error):
            raise UnavailableError(_unavailable(error)) from error
        raise


def _unavailable(error: RedisError) -> str:
    cause = error.__cause__ or error.__context__
    if isinstance(cause, socket.gaierror):
        return f"The host in REDIS_URL can't be resolved: {error}"
    if isinstance(cause, OSError) or type(error) in UNREACHABLE:
        return f"Redis can't be reached: {describe(error)}"
    return f"Redis rejects the command for now: {describe(error)}"
