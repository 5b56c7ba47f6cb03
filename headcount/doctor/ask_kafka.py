"""Gathering what Kafka says of itself, of the two topics, and of who reads them."""

from collections.abc import Mapping
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import for_code
from aiokafka.protocol.admin import ApiVersionRequest

from headcount.clients import QUESTION_MILLISECONDS, kafka_options
from headcount.dead_letters.overview import dead_letter_topic
from headcount.doctor.ask_log import extents, newest, waiting_letters
from headcount.doctor.finding import Unknown
from headcount.doctor.inquiry import Inquiry
from headcount.doctor.kafka_facts import KafkaFacts, PartitionFacts, Topic
from headcount.log.topics import admin_client
from headcount.settings import Settings
from headcount.status import count_workers
from ingest.errors import RefusedError, UnavailableError

METADATA: Final = 3
"""The number of the request for metadata in Kafka's protocol."""
NO_LEADER: Final = -1


async def ask_kafka(settings: Settings, inquiry: Inquiry) -> KafkaFacts:
    """Gather all facts of Kafka; where it does not answer at all, nothing more is asked."""
    cluster = await inquiry.ask(_cluster(settings))
    if isinstance(cluster, Unknown):
        return KafkaFacts.out_of_reach(cluster)
    topics = {each["topic"]: each for each in cluster["topics"]}
    wanted = (settings.kafka_topic, dead_letter_topic(settings))
    return KafkaFacts(
        reached=None,
        metadata_version=await inquiry.ask(_metadata_version(settings)),
        brokers=len(cluster["brokers"]),
        missing=[name for name in wanted if name not in topics],
        topic=await inquiry.ask(_topic(settings, topics, settings.kafka_topic)),
        letters_topic=await inquiry.ask(_topic(settings, topics, dead_letter_topic(settings))),
        workers=await inquiry.ask(_workers(settings)),
        extents=await inquiry.ask(extents(settings)),
        newest=await inquiry.ask(newest(settings)),
        letters=await inquiry.ask(waiting_letters(settings)),
    )


async def _metadata_version(settings: Settings) -> int:
    client = AIOKafkaClient(request_timeout_ms=QUESTION_MILLISECONDS, **kafka_options(settings))
    try:
        await client.bootstrap()
        response = await client.send(client.get_random_node(), ApiVersionRequest())
    finally:
        await client.close()
    return max((newest for request, _, newest in response.api_versions if request == METADATA), default=0)


async def _cluster(settings: Settings) -> Mapping[str, Any]:
    async with admin_client(settings) as admin:
        # Of all topics: to ask for one by name is what creates it, where a broker is set up so.
        return {"topics": await admin.describe_topics(), **await admin.describe_cluster()}


async def _topic(settings: Settings, topics: Mapping[str, Any], name: str) -> Topic:
    if name not in topics:
        raise RefusedError(f"the topic {name} is missing")
    async with admin_client(settings) as admin:
        options = await _options(admin, name)
    partitions = [
        PartitionFacts(
            number=each["partition"],
            has_leader=each["leader"] != NO_LEADER,
            replicas=len(each["replicas"]),
            in_sync=len(each["isr"]),
        )
        for each in topics[name]["partitions"]
    ]
    return Topic(name=name, partitions=partitions, options=options)


async def _options(admin: AIOKafkaAdminClient, name: str) -> Mapping[str, str]:
    (response,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    ((code, message, _type, _name, entries, *_),) = response.resources
    if code:
        raise UnavailableError(
            f"the configuration of {name} can't be read: {message or for_code(code).__name__}"
        )
    return {option: value for option, value, *_ in entries if value is not None}


async def _workers(settings: Settings) -> int:
    async with admin_client(settings) as admin:
        return await count_workers(admin, settings.kafka_group_id)
