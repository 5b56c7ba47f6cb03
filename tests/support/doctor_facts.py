"""Facts of a deployment that is well, to be made worse by tests."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from headcount.ops.doctor.clocks import Clock
from headcount.ops.doctor.counting import Counting, Letters
from headcount.ops.doctor.kafka import KafkaFacts
from headcount.ops.doctor.persistence import Memory, Persistence
from headcount.ops.doctor.redis import RedisFacts
from headcount.ops.doctor.rights import Rights
from headcount.ops.doctor.run import Facts
from headcount.ops.doctor.server import Replication, Server
from headcount.ops.doctor.topics import PartitionFacts, Topic
from headcount.wiring import load_config
from ingest.batch import Offset, Partition
from ingest.ports import Extent
from projector.checkpoints import Progress
from tests.support.fakes_api import make_token
from tests.support.people import KEY

NOW: Final = datetime(2026, 11, 22, 12, tzinfo=UTC)
FIRST: Final = Partition("user-activity", 0)
SECOND: Final = Partition("user-activity", 1)
OPTIONS: Final = {
    "appendfsync": "everysec",
    "save": "",
    "hll-sparse-max-bytes": "3000",
    "set-max-intset-entries": "512",
    "min-replicas-to-write": "0",
}


def memory(**changes: int) -> Memory:
    return replace(
        Memory(used=50_000_000, resident=60_000_000, limit=500_000_000, machine=8_000_000_000), **changes
    )


def persistence(**changes: Any) -> Persistence:  # noqa: ANN401 - any field
    sound = Persistence(
        appends=True,
        append_works=True,
        snapshot_works=True,
        unsaved_changes=0,
        saved_at=NOW - timedelta(minutes=5),
    )
    return replace(sound, **changes)


def replication(*lags: int, replicas: int | None = None, role: str = "master") -> Replication:
    return Replication(role=role, replicas=len(lags) if replicas is None else replicas, lags=lags)


def server(**changes: Any) -> Server:  # noqa: ANN401 - any field
    sound = Server(
        name="Redis 7.0.15",
        version="7.0.15",
        eviction_policy="noeviction",
        memory=memory(),
        persistence=persistence(),
        replication=replication(),
    )
    return replace(sound, **changes)


def topic(*, name: str = "user-activity", **options: str) -> Topic:
    """Name options with an underscore for each full stop."""
    sound = {
        "message.timestamp.type": "LogAppendTime",
        "cleanup.policy": "delete",
        "retention.ms": str(400 * 86_400_000),
        "retention.bytes": "-1",
        "min.insync.replicas": "2",
    }
    changed = {option.replace("_", "."): value for option, value in options.items()}
    return Topic(name=name, options=sound | changed)


def partition(number: int, **changes: Any) -> PartitionFacts:  # noqa: ANN401 - any field
    return replace(PartitionFacts(number=number, has_leader=True, replicas=3, in_sync=3), **changes)


def progress(*ages_seconds: float | None, reached: int = 10) -> Progress:
    """Give each partition in turn an as-of of that age, None for one that is catching up."""
    ages = {Partition("user-activity", number): age for number, age in enumerate(ages_seconds)}
    return Progress(
        generation=0,
        topic_id="one",
        checkpoints=dict.fromkeys(ages, Offset(reached)),
        as_of={each: NOW - timedelta(seconds=age) for each, age in ages.items() if age is not None},
        gaps=[],
        deployment={"topic": "user-activity"},
    )


def counting(*ages_seconds: float | None, end: int = 10, workers: int = 1) -> Counting:
    return Counting(
        extents={
            Partition("user-activity", number): Extent(Offset(0), Offset(end))
            for number in range(len(ages_seconds))
        },
        progress=progress(*ages_seconds),
        workers=workers,
        now=NOW,
    )


def redis_facts(**changes: Any) -> RedisFacts:  # noqa: ANN401 - any field
    sound = RedisFacts(
        reached=None,
        server=server(),
        options=OPTIONS,
        clock=Clock(0.1, 0.05),
        rights=Rights(user="operator", part="operator"),
        other_rights=[Rights(user="worker", part="worker")],
        lacks_replay_rights=False,
        mismatch=None,
        progress=progress(1, 1),
        tokens=[make_token()[0]],
    )
    return replace(sound, **changes)


def kafka_facts(**changes: Any) -> KafkaFacts:  # noqa: ANN401 - any field
    sound = KafkaFacts(
        reached=None,
        metadata_version=13,
        brokers=3,
        missing=[],
        partitions=[partition(0), partition(1)],
        topic=topic(),
        letters_topic=topic(name="user-activity.dlq"),
        erasures_topic=topic(name="user-activity.erasures", cleanup_policy="compact"),
        workers=2,
        extents={each: Extent(Offset(0), Offset(10)) for each in (FIRST, SECOND)},
        newest=NOW - timedelta(seconds=2),
        letters=Letters(records=0, waiting=0),
    )
    return replace(sound, **changes)


def facts(*, redis: RedisFacts | None = None, kafka: KafkaFacts | None = None, **environment: str) -> Facts:
    return Facts(
        config=load_config({"USER_ID_HASH_KEY": KEY, **environment}),
        redis=redis or redis_facts(),
        kafka=kafka or kafka_facts(),
        now=NOW,
    )
