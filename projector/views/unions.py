"""The union: how many people were in several counters together, such as a week or another zone's day.

Exact while each of the counters is, however many people that makes; else the estimate of one HyperLogLog that
had seen them all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ingest.errors import UnavailableError
from projector import keys, scripts
from projector.keys import Counter
from projector.redis import Redis
from projector.redis.errors import translate_errors
from projector.views.daily import ESTIMATE_STANDARD_ERROR

TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class UnionCount:
    """`standard_error` is relative, and 0 where the number is exact."""

    users: int
    standard_error: float


class Unions:
    """Counts unions in one script call each. The counters may be replaced meanwhile."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._union = redis.register_script(scripts.source(scripts.UNION))

    async def count(self, counters: Sequence[Counter]) -> UnionCount:
        """Count each person of the counters once; raises `UnavailableError`."""
        for _ in range(TRIES):
            generation = await self._generation()
            keyspace = keys.ONLY.generation(generation)
            names = [keyspace.key(counter) for counter in counters]
            with translate_errors():
                answer = await self._union(
                    keys=[keys.ONLY.deployment, keyspace.union, *names], args=[generation]
                )
            if answer is not None:
                users, is_estimate = answer
                return UnionCount(users, ESTIMATE_STANDARD_ERROR if is_estimate else 0.0)
        raise UnavailableError("The counters are being replaced: ask again.")

    async def _generation(self) -> int:
        with translate_errors():
            return int(await self._redis.hget(keys.ONLY.deployment, "generation") or 0)
