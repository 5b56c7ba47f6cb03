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
"""What a server, or the way to it, may answer instead of the fact; a TimeoutError is an OSError."""
RIGHTS_ADVICE: Final = (
    "Run the doctor as a Redis user with the operator's rights, as in deploy/redis/users.acl."
)


class Prober:
    """The questions of one run; `seconds` is how long they may take all together."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until = asyncio.get_running_loop().time() + seconds

    async def probe(self, question: Awaitable[T]) -> T | Unknown:
        """Return the answer, or why there is none."""
        try:
            async with asyncio.timeout_at(self._until):
                return await question
        except EXPECTED as error:
            return self._unknown(error)

    def _unknown(self, error: Exception) -> Unknown:
        if isinstance(error, NoPermissionError):
            return Unknown(f"{error}.", RIGHTS_ADVICE)
        if isinstance(error, TimeoutError) and not str(error):
            return Unknown(f"there was no answer within {self._seconds:g} s.")
        return Unknown(f"{_sentence(error).rstrip('.')}.")


def _sentence(error: Exception) -> str:
    if isinstance(error, RedisError):
        return describe(error)
    return repr(error) if isinstance(error, KafkaError) else str(error)
