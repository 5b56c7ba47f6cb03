"""The union view: the distinct users of several counters together, such as a week or a day of another zone.

Exact if each of the counters is, however many users that are; else the estimate of one HyperLogLog of all
the users.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ingest.errors import UnavailableError
from projector import keys
from projector.keys import Counter
from projector.redis import Redis
from projector.redis.errors import translate_errors
from projector.scripts.counters import UnionScript
from projector.views.daily import ESTIMATE_STANDARD_ERROR

TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class UnionCount:
    """`standard_error` is relative, 0 if the count is exact."""

    users: int
    standard_error: float


class Unions:
    """Counts each union in one script call. The counters may be replaced meanwhile."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._union = UnionScript(redis)

    async def count(self, counters: Sequence[Counter]) -> UnionCount:
        """Count each user of the counters once; raises `UnavailableError`."""
        for _ in range(TRIES):
            with translate_errors():
                generation = int(await self._redis.hget(keys.ONLY.deployment, "generation") or 0)
                union = await self._union(keys.ONLY, generation, counters)
            if union is not None:
                return UnionCount(union.users, ESTIMATE_STANDARD_ERROR if union.is_estimate else 0.0)
        raise UnavailableError("The counters are being replaced: try again.")
