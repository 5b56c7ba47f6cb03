"""Gathering what Kafka says of itself, of the two topics, and of who reads them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import for_code
from aiokafka.protocol.admin import ApiVersionRequest

from headcount.clients import QUESTION_MILLISECONDS, kafka_options
from headcount.log.topics import admin_client
from headcount.ops.dead_letters.overview import dead_letter_topic
from headcount.ops.doctor.ask_log import extents, newest, waiting_letters
from headcount.ops.doctor.finding import Unknown
from headcount.ops.doctor.inquiry import Inquiry
from headcount.ops.doctor.kafka_facts import KafkaFacts, PartitionFacts, Topic
from headcount.ops.status import count_workers
from headcount.wiring import Config
from ingest.errors import UnavailableError
from ingest.kafka.erasure_log import ERASURES_SUFFIX

METADATA: Final = 3
"""The number of the request for metadata in Kafka's protocol."""
NO_LEADER: Final = -1


async def ask_kafka(config: Config, inquiry: Inquiry) -> KafkaFacts:
    """Gather all facts of Kafka; where it does not answer at all, nothing more is asked."""
    cluster = await inquiry.ask(_cluster(config))
    if isinstance(cluster, Unknown):
        return KafkaFacts.out_of_reach(cluster)
    topics = {each["topic"]: each for each in cluster["topics"]}
    erasures = config.kafka.topic + ERASURES_SUFFIX
    wanted = (config.kafka.topic, dead_letter_topic(config), erasures)
    return KafkaFacts(
        reached=None,
        metadata_version=await inquiry.ask(_metadata_version(config)),
        brokers=len(cluster["brokers"]),
        missing=[name for name in wanted if name not in topics],
        partitions=_partitions(topics, config.kafka.topic),
        topic=await inquiry.ask(_topic(config, topics, config.kafka.topic)),
        letters_topic=await inquiry.ask(_topic(config, topics, dead_letter_topic(config))),
        erasures_topic=await inquiry.ask(_topic(config, topics, erasures)),
        workers=await inquiry.ask(_workers(config)),
        extents=await inquiry.ask(extents(config)),
        letters=await inquiry.ask(waiting_letters(config)),
        newest=await inquiry.ask(newest(config)),
    )


async def _metadata_version(config: Config) -> int:
    client = AIOKafkaClient(request_timeout_ms=QUESTION_MILLISECONDS, **kafka_options(config))
    try:
        await client.bootstrap()
        response = await client.send(client.get_random_node(), ApiVersionRequest())
    finally:
        await client.close()
    return max((newest for request, _, newest in response.api_versions if request == METADATA), default=0)


async def _cluster(config: Config) -> Mapping[str, Any]:
    async with admin_client(config) as admin:
        # Of all topics: to ask for one by name is what creates it, where a broker is set up so.
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
            "It takes the right DescribeConfigs."
        )
    return {option: value for option, value, *_ in entries if value is not None}


async def _workers(config: Config) -> int:
    async with admin_client(config) as admin:
        return await count_workers(admin, config.kafka.group_id)
