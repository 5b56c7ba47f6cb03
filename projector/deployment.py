"""The deployment: what the counters in a Redis mean, so that no other deployment counts into them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ingest.errors import OperatorError, UnavailableError
from projector import keys
from projector.activity_filter import COUNT_ALL, ActivityFilter
from projector.redis import Redis

SETTINGS: Final[Mapping[str, str]] = {
    "topic": "KAFKA_TOPIC",
    "time_zone": "TIME_ZONE",
    "user_id_hash_key": "USER_ID_HASH_KEY",
    "ignored_event_types": "IGNORED_EVENT_TYPES",
    "ignored_user_types": "IGNORED_USER_TYPES",
    "retention_days": "RETENTION_DAYS",
    "bucket_retention_days": "BUCKET_RETENTION_DAYS",
}
"""The setting of each recorded field."""

CHANGEABLE: Final = tuple(setting for field, setting in SETTINGS.items() if field != "topic")
"""The settings that a rebuild can change; another topic is another log."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a field of the deployment was, and what it is to be; `was` is None where nothing is recorded."""

    field: str
    was: str | None
    now: str

    @property
    def setting(self) -> str | None:
        """The setting that the value comes from, None where it is no setting."""
        return SETTINGS.get(self.field)


class OtherDeploymentError(OperatorError):
    """Redis holds counters that mean something else than these settings; the message has the differences."""

    def __init__(self, changes: Sequence[Change]) -> None:
        super().__init__(_refusal(changes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What every counter depends on. The schema's version is part of every key instead.

    The retention does not change what a number means: workers with another one may take over from each other,
    and the last to start records its own. A command that computes counters must use the recorded one all the
    same, or it drops or keeps other days than the workers do. None is for those that compute none.
    """

    topic: str
    time_zone: str
    user_id_hash_key: str | None
    """The key's fingerprint, None where it does not matter; users are others under another key."""
    activity_filter: ActivityFilter = COUNT_ALL
    retention_days: int | None = None
    bucket_retention_days: int | None = None

    async def claim(self, redis: Redis) -> None:
        """Record this deployment in an empty Redis; raises `OtherDeploymentError` for another's."""
        async with redis.pipeline(transaction=True) as pipeline:
            for field, value in self.fields().items():
                pipeline.hsetnx(keys.ONLY.deployment, field, value)
            pipeline.hgetall(keys.ONLY.deployment)
            *_, found = await pipeline.execute()
        recorded = _decoded(found)
        _compare(self.fields(), recorded)
        for field, value in self.retention().items():
            if recorded.get(field) != value:
                await redis.hset(keys.ONLY.deployment, field, value)

    async def check(self, redis: Redis) -> None:
        """Raise `OtherDeploymentError` where another deployment or retention is recorded; records nothing."""
        _compare({**self.fields(), **self.retention()}, await _recorded(redis))

    async def check_counters(self, redis: Redis) -> None:
        """Raise `OtherDeploymentError` where the counters mean something else, whatever their retention."""
        _compare(self.fields(), await _recorded(redis))

    async def await_return(self, redis: Redis) -> None:
        """Raise `UnavailableError` until this very deployment is recorded.

        Also while none is: a process that waits must not decide what an empty Redis is used for.
        """
        recorded = await _recorded(redis)
        if "topic" not in recorded:
            raise UnavailableError(
                "Redis lost its counters, and the last ones meant something else than these settings. "
                "Nothing is counted here until another worker has recorded what they mean, or this one is "
                "restarted."
            )
        try:
            _compare(self.fields(), recorded)
        except OtherDeploymentError as error:
            raise UnavailableError(f"{error} Nothing is counted here until then.") from error

    def fields(self) -> dict[str, str]:
        """Return what is recorded of the counters' meaning."""
        key = {} if self.user_id_hash_key is None else {"user_id_hash_key": self.user_id_hash_key}
        return {"topic": self.topic, "time_zone": self.time_zone, **key, **self.activity_filter.fields()}

    def retention(self) -> dict[str, str]:
        """Return what is recorded of how long counters are kept."""
        if self.retention_days is None or self.bucket_retention_days is None:
            return {}
        return retention_fields(self.retention_days, self.bucket_retention_days)


def retention_fields(days: int, bucket_days: int) -> dict[str, str]:
    """Return a retention as it is recorded."""
    return {"retention_days": str(days), "bucket_retention_days": str(bucket_days)}


def show_value(change: Change, value: str | None) -> str:
    """Render a value of a setting as an operator sees it; of a secret there is only the fingerprint."""
    if value is None:
        return "not recorded"
    return f"the key with the fingerprint {value}" if change.field == "user_id_hash_key" else repr(value)


def _refusal(changes: Sequence[Change]) -> str:
    # Another topic is another log: what else differs does not matter then.
    shown = [change for change in changes if change.field == "topic"] or changes
    recorded = ", ".join(f"{change.setting}={show_value(change, change.was)}" for change in shown)
    configured = ", ".join(f"{change.setting}={show_value(change, change.now)}" for change in shown)
    values, pronoun = ("values", "them") if len(shown) > 1 else ("value", "it")
    if shown[0].field == "topic":
        way_out = "or use another Redis database"
    else:
        options = " ".join(f"--change {change.setting}" for change in shown)
        way_out = f"or change {pronoun} for all workers and APIs: headcount rebuild {options}"
    return (
        f"Redis holds counters for {recorded}, but this process is configured with {configured}. "
        f"Set the recorded {values}, {way_out}."
    )


def _compare(fields: Mapping[str, str], recorded: Mapping[str, str]) -> None:
    changes = [
        Change(field, recorded[field], value)
        for field, value in fields.items()
        if recorded.get(field, value) != value
    ]
    if changes:
        raise OtherDeploymentError(changes)


async def _recorded(redis: Redis) -> dict[str, str]:
    return _decoded(await redis.hgetall(keys.ONLY.deployment))


def _decoded(found: Mapping[Any, Any]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in found.items()}
