"""The deployment: what the counters in a Redis mean, so that no other deployment counts into them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis

from ingest.errors import OperatorError
from projector import keys
from projector.activity_filter import COUNT_ALL, ActivityFilter

_NAMES: Final[Mapping[str, str]] = {
    "topic": "KAFKA_TOPIC",
    "time_zone": "TIME_ZONE",
    "user_id_hash_key": "a USER_ID_HASH_KEY with the fingerprint",
    "ignored_event_types": "IGNORED_EVENT_TYPES",
    "ignored_user_types": "IGNORED_USER_TYPES",
}

_REBUILD: Final = dict.fromkeys(_NAMES.keys() - {"topic"}, "; headcount rebuild counts the log anew for it")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What every counter depends on. The schema's version is part of every key instead."""

    topic: str
    time_zone: str
    user_id_hash_key: str | None
    """The key's fingerprint, None where it does not matter; users are others under another key."""
    activity_filter: ActivityFilter = COUNT_ALL

    async def claim(self, redis: Redis) -> None:
        """Record this deployment in an empty Redis; raises `OperatorError` where another is recorded."""
        async with redis.pipeline(transaction=True) as pipeline:
            for field, value in self.fields().items():
                pipeline.hsetnx(keys.DEPLOYMENT, field, value)
            pipeline.hgetall(keys.DEPLOYMENT)
            *_, recorded = await pipeline.execute()
        self._compare({name.decode(): value.decode() for name, value in recorded.items()})

    async def check(self, redis: Redis) -> None:
        """Raise `OperatorError` where another deployment is recorded; records nothing itself."""
        recorded: dict[Any, Any] = await redis.hgetall(keys.DEPLOYMENT)
        self._compare({name.decode(): value.decode() for name, value in recorded.items()})

    def _compare(self, recorded: dict[str, str]) -> None:
        for field, value in self.fields().items():
            if recorded.get(field, value) != value:
                raise OperatorError(
                    f"Redis counts for {_NAMES[field]} {recorded[field]!r}, this start is for {value!r}: "
                    f"give it a Redis database of its own, or set it as it was{_REBUILD.get(field, '')}."
                )

    def fields(self) -> dict[str, str]:
        """Return what is recorded."""
        key = {} if self.user_id_hash_key is None else {"user_id_hash_key": self.user_id_hash_key}
        return {"topic": self.topic, "time_zone": self.time_zone, **key, **self.activity_filter.fields()}
