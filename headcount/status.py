"""The state of the whole: how far the projection is behind the log, partition by partition."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError

from headcount.clients import api_redis, kafka_options
from headcount.settings import Settings
from headcount.topics import admin_client
from ingest.batch import Offset, Partition
from ingest.errors import UnavailableError
from projector.progress import Progress, read_progress


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionStatus:
    """`checkpoint` is the next offset to count, None before the first; `end` is the log's end."""

    number: int
    checkpoint: int | None
    end: int
    lag: int | None
    as_of: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """`as_of` is None while any partition is catching up; `workers` counts the consumer group's members."""

    topic: str
    workers: int
    catching_up: bool
    lag: int | None
    as_of: datetime | None
    partitions: tuple[PartitionStatus, ...]


async def read_status(settings: Settings) -> Status:
    """Ask Kafka and Redis once each; raises `UnavailableError`."""
    async with admin_client(settings) as admin:
        numbers = await _partition_numbers(admin, settings.kafka_topic)
        workers = await _count_workers(admin, settings.kafka_group_id)
    ends = await _log_ends(settings, numbers)
    async with api_redis(settings) as redis:
        progress = await read_progress(redis)
    partitions = tuple(_partition_status(partition, end, progress) for partition, end in sorted(ends.items()))
    lags = [partition.lag for partition in partitions]
    instants = [partition.as_of for partition in partitions]
    known = [instant for instant in instants if instant is not None]
    caught_up = bool(instants) and len(known) == len(instants)
    return Status(
        topic=settings.kafka_topic,
        workers=workers,
        catching_up=not caught_up,
        lag=None if None in lags else sum(lag for lag in lags if lag is not None),
        as_of=min(known) if caught_up else None,
        partitions=partitions,
    )


def _partition_status(partition: Partition, end: Offset, progress: Progress) -> PartitionStatus:
    checkpoint = progress.checkpoints.get(partition)
    return PartitionStatus(
        number=partition.number,
        checkpoint=checkpoint,
        end=end,
        lag=None if checkpoint is None else max(0, end - checkpoint),
        as_of=progress.as_of.get(partition),
    )


async def _partition_numbers(admin: AIOKafkaAdminClient, topic: str) -> list[int]:
    (described,) = await admin.describe_topics([topic])
    return sorted(partition["partition"] for partition in described["partitions"])


async def _log_ends(settings: Settings, numbers: Sequence[int]) -> Mapping[Partition, Offset]:
    consumer = AIOKafkaConsumer(isolation_level="read_committed", **kafka_options(settings))
    try:
        await consumer.start()
        natives = [TopicPartition(settings.kafka_topic, number) for number in numbers]
        ends = await consumer.end_offsets(natives)
    except KafkaError as error:
        raise UnavailableError(
            f"Kafka at {settings.kafka_bootstrap_servers} does not answer: {error}"
        ) from error
    finally:
        await consumer.stop()
    return {Partition(*native): Offset(end) for native, end in ends.items()}


async def _count_workers(admin: AIOKafkaAdminClient, group_id: str) -> int:
    try:
        (response,) = await admin.describe_consumer_groups([group_id])
    except GroupCoordinatorNotAvailableError:
        return 0  # no group has ever been coordinated there
    (group,) = response.groups
    *_, members = group[:6]
    return len(members)
