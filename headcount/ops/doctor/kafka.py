"""The facts about Kafka: its version, its topics, the consumer group and the log."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import for_code
from aiokafka.protocol.admin import ApiVersionRequest

from headcount.clients import kafka_options
from headcount.ops.dead_letters.overview import Ledger, dead_letter_topic
from headcount.ops.dead_letters.waiting import MAX_LETTERS
from headcount.ops.doctor.counting import Letters
from headcount.ops.doctor.finding import Unknown
from headcount.ops.doctor.probing import Prober
from headcount.ops.doctor.topics import PartitionFacts, Topic
from headcount.preflight.connections import admin_client, open_log
from headcount.wiring import Config
from ingest.batch import Offset, Partition
from ingest.errors import UnavailableError
from ingest.events.instant import instant_of
from ingest.kafka.erasure_log import ERASURES_SUFFIX
from ingest.kafka.log_reader import LogReader
from ingest.kafka.topics import ADMIN_MILLISECONDS, count_group_members
from ingest.ports import Extent, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaFacts:
    """`reached` is None if Kafka answers. `newest` is the timestamp of the topic's newest record.

    `metadata_version` is the newest supported version of the Metadata request, which a worker needs at its
    start. `missing` are names of topics; `partitions` are those of the topic of events. Reading the
    configuration of a topic takes a right of its own.
    """

    reached: Unknown | None
    metadata_version: int | Unknown
    brokers: int | Unknown
    missing: Sequence[str] | Unknown
    partitions: Sequence[PartitionFacts] | Unknown
    topic: Topic | Unknown
    letters_topic: Topic | Unknown
    erasures_topic: Topic | Unknown
    workers: int | Unknown
    extents: Mapping[Partition, Extent] | Unknown
    newest: datetime | Unknown | None
    letters: Letters | Unknown

    @classmethod
    def out_of_reach(cls, reason: Unknown) -> "KafkaFacts":
        """Return facts that are all unknown, with the reason why Kafka does not answer."""
        silent = Unknown("Kafka does not answer.")
        return cls(
            reached=reason,
            metadata_version=silent,
            brokers=silent,
            missing=silent,
            partitions=silent,
            topic=silent,
            letters_topic=silent,
            erasures_topic=silent,
            workers=silent,
            extents=silent,
            newest=silent,
            letters=silent,
        )


METADATA: Final = 3
"""The API key of the Metadata request."""
NO_LEADER: Final = -1


async def probe_kafka(config: Config, prober: Prober) -> KafkaFacts:
    """Gather all facts about Kafka; stops after the first probe if Kafka does not answer."""
    cluster = await prober.probe(_cluster(config))
    if isinstance(cluster, Unknown):
        return KafkaFacts.out_of_reach(cluster)
    topics = {each["topic"]: each for each in cluster["topics"]}
    erasures = config.kafka.topic + ERASURES_SUFFIX
    expected = (config.kafka.topic, dead_letter_topic(config), erasures)
    return KafkaFacts(
        reached=None,
        metadata_version=await prober.probe(_metadata_version(config)),
        brokers=len(cluster["brokers"]),
        missing=[name for name in expected if name not in topics],
        partitions=_partitions(topics, config.kafka.topic),
        topic=await prober.probe(_topic(config, topics, config.kafka.topic)),
        letters_topic=await prober.probe(_topic(config, topics, dead_letter_topic(config))),
        erasures_topic=await prober.probe(_topic(config, topics, erasures)),
        workers=await prober.probe(_workers(config)),
        extents=await prober.probe(extents(config)),
        letters=await prober.probe(waiting_letters(config)),
        newest=await prober.probe(newest(config)),
    )


async def _metadata_version(config: Config) -> int:
    client = AIOKafkaClient(request_timeout_ms=ADMIN_MILLISECONDS, **kafka_options(config))
    try:
        await client.bootstrap()
        response = await client.send(client.get_random_node(), ApiVersionRequest())
    finally:
        await client.close()
    return max((newest for request, _, newest in response.api_versions if request == METADATA), default=0)


async def _cluster(config: Config) -> Mapping[str, Any]:
    async with admin_client(config) as admin:
        # Lists all topics: a request that names one creates it on brokers that auto-create topics.
        return {"topics": await admin.describe_topics(), **await admin.describe_cluster()}


def _partitions(topics: Mapping[str, Any], name: str) -> Sequence[PartitionFacts] | Unknown:
    if name not in topics:
        return _missing(name)
    return [
        PartitionFacts(
            number=each["partition"],
            has_leader=each["leader"] != NO_LEADER,
            replicas=len(each["replicas"]),
            in_sync=len(each["isr"]),
        )
        for each in topics[name]["partitions"]
    ]


async def _topic(config: Config, topics: Mapping[str, Any], name: str) -> Topic | Unknown:
    if name not in topics:
        return _missing(name)
    async with admin_client(config) as admin:
        return Topic(name=name, options=await _options(admin, name))


def _missing(name: str) -> Unknown:
    return Unknown(f"the topic {name} is missing.")


async def _options(admin: AIOKafkaAdminClient, name: str) -> Mapping[str, str]:
    (response,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    ((code, message, _type, _name, entries, *_),) = response.resources
    if code:
        raise UnavailableError(
            f"the configuration of {name} can't be read: {message or for_code(code).__name__} "
            "It requires the right DescribeConfigs."
        )
    return {option: value for option, value, *_ in entries if value is not None}


async def _workers(config: Config) -> int:
    async with admin_client(config) as admin:
        return await count_group_members(admin, config.kafka.group_id)


MAX_PARTITIONS: Final = 16
"""The most partitions whose newest record is read, sequentially."""
NEWEST_RECORDS: Final = 2
"""More than one: the last offset of a partition may be a transaction marker, which is not a record."""


async def extents(config: Config) -> Mapping[Partition, Extent]:
    """Return the first and the end offset of each partition."""
    async with _open(config, config.kafka.topic) as log:
        return log.extents


async def newest(config: Config) -> datetime | None:
    """Return the timestamp of the newest record, None if the topic is empty."""
    async with _open(config, config.kafka.topic) as log:
        ends = [(each, extent) for each, extent in log.extents.items() if extent.end > extent.beginning]
        stamps = [
            record.timestamp
            for partition, extent in ends[:MAX_PARTITIONS]
            for record in await _last_records(log, partition, extent)
        ]
    return instant_of(max(stamps)) if stamps else None


async def _last_records(log: LogReader, partition: Partition, extent: Extent) -> list[Record]:
    start = Offset(max(extent.beginning, extent.end - NEWEST_RECORDS))
    span = Extent(start, extent.end)
    return [record async for portion in log.read(partition, span) for record in portion.records]


async def waiting_letters(config: Config) -> Letters:
    """Return the number of dead letters whose records were not redriven."""
    ledger = Ledger()
    async with _open(config, dead_letter_topic(config)) as log:
        records = sum(extent.end - extent.beginning for extent in log.extents.values())
        if records > MAX_LETTERS:
            return Letters(records=records, waiting=None)
        await ledger.read(log, log.extents, lambda _letter: None)
    return Letters(records=records, waiting=len(ledger.reasons.keys() - ledger.redriven))


@asynccontextmanager
async def _open(config: Config, topic: str) -> AsyncIterator[LogReader]:
    async with open_log(config, topic) as log:
        yield log
