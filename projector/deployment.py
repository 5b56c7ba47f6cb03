"""The deployment: the settings recorded with the counters, so that no other deployment counts into them."""

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
    """The recorded and the configured value of a field; `was` is None if nothing is recorded."""

    field: str
    was: str | None
    now: str

    @property
    def setting(self) -> str | None:
        """The setting of the field, None if it has none."""
        return SETTINGS.get(self.field)


class OtherDeploymentError(OperatorError):
    """Redis holds counters of other settings; the message lists the differences."""

    def __init__(self, changes: Sequence[Change]) -> None:
        super().__init__(_refusal(changes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """The settings that every counter depends on. The version of the schema is part of every key instead.

    The retention does not affect the counts: workers with different retentions may replace each other, and
    the last one to start records its own. A command that computes counters must use the recorded one, or it
    would drop or keep other days than the workers. It is None for commands that compute no counters.
    """

    topic: str
    time_zone: str
    user_id_hash_key: str | None
    """The fingerprint of the key, None if it is not needed; another key gives other pseudonyms."""
    activity_filter: ActivityFilter = COUNT_ALL
    retention_days: int | None = None
    bucket_retention_days: int | None = None

    async def claim(self, redis: Redis) -> None:
        """Record this deployment in an empty Redis; raises `OtherDeploymentError` if another is recorded."""
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
        """Raise `OtherDeploymentError` if another deployment or retention is recorded; records nothing."""
        _compare({**self.fields(), **self.retention()}, await _recorded(redis))

    async def check_counters(self, redis: Redis) -> None:
        """Raise `OtherDeploymentError` if another deployment is recorded; ignores the retention."""
        _compare(self.fields(), await _recorded(redis))

    async def check_recorded(self, redis: Redis) -> None:
        """Raise `UnavailableError` until this deployment is recorded.

        An empty Redis is not enough: a process that waits must not decide which deployment uses it.
        """
        recorded = await _recorded(redis)
        if "topic" not in recorded:
            raise UnavailableError(
                "Redis lost its counters, and the last ones were of other settings. This worker is paused "
                "until another one has recorded its settings, or this one is restarted."
            )
        try:
            _compare(self.fields(), recorded)
        except OtherDeploymentError as error:
            raise UnavailableError(f"{error} This worker is paused until then.") from error

    def fields(self) -> dict[str, str]:
        """Return the fields that every count depends on, as they are recorded."""
        key = {} if self.user_id_hash_key is None else {"user_id_hash_key": self.user_id_hash_key}
        return {"topic": self.topic, "time_zone": self.time_zone, **key, **self.activity_filter.fields()}

    def retention(self) -> dict[str, str]:
        """Return the fields of the retention, as they are recorded."""
        if self.retention_days is None or self.bucket_retention_days is None:
            return {}
        return retention_fields(self.retention_days, self.bucket_retention_days)


def retention_fields(days: int, bucket_days: int) -> dict[str, str]:
    """Return a retention as it is recorded."""
    return {"retention_days": str(days), "bucket_retention_days": str(bucket_days)}


def show_value(change: Change, value: str | None) -> str:
    """Format the value of a setting for an operator; of a secret only the fingerprint is known."""
    if value is None:
        return "not recorded"
    return f"the key with the fingerprint {value}" if change.field == "user_id_hash_key" else repr(value)


def _refusal(changes: Sequence[Change]) -> str:
    # Another topic is another log: other differences do not matter then.
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
