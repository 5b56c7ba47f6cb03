"""Asks servers: all probes share one deadline, and one that fails leaves the others intact."""

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

from aiokafka.errors import KafkaError
from redis.exceptions import NoPermissionError, RedisError

from api.errors import TokensUnavailableError
from headcount.ops.doctor.finding import Unknown
from ingest.errors import HeadcountError
from projector.redis.errors import describe

T = TypeVar("T")
EXPECTED: Final = (HeadcountError, TokensUnavailableError, KafkaError, RedisError, OSError)
"""Errors of a server or of the connection to it. TimeoutError is an OSError."""
RIGHTS_ADVICE: Final = (
    "Run the doctor as a Redis user with the operator's rights, as in deploy/redis/users.acl."
)


class Prober:
    """The probes of one run; `seconds` is the deadline that they share."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until = asyncio.get_running_loop().time() + seconds

    async def probe(self, fact: Awaitable[T]) -> T | Unknown:
        """Return the fact, or why it is unknown."""
        try:
            async with asyncio.timeout_at(self._until):
                return await fact
        except EXPECTED as error:
            return self._unknown(error)

    def _unknown(self, error: Exception) -> Unknown:
        if isinstance(error, NoPermissionError):
            return Unknown(f"{error}.", RIGHTS_ADVICE)
        if isinstance(error, TimeoutError) and not str(error):
            return Unknown(f"no answer within {self._seconds:g} s.")
        return Unknown(f"{_sentence(error).rstrip('.')}.")


def _sentence(error: Exception) -> str:
    if isinstance(error, RedisError):
        return describe(error)
    return repr(error) if isinstance(error, KafkaError) else str(error)
