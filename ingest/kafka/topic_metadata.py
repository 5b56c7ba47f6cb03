"""Reads a topic's id, which distinguishes it from an earlier topic of the same name, and its leaders.

KIP-516 added topic ids to version 10 of the metadata request; aiokafka implements versions up to 5. This is
version 12 of the request.
"""

import random
import uuid
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import (
    KafkaError,
    LeaderNotAvailableError,
    NodeNotReadyError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)

from ingest.errors import UnavailableError

NO_LEADER: Final = -1
_UUID_HALF_BITS: Final = 64
_UUID: Final = (("id_high", Int64), ("id_low", Int64))


_ADVICE: Final = {
    UnknownTopicOrPartitionError: (
        ". Kafka has no topic {topic}: correct KAFKA_TOPIC, or start a worker, which creates it"
    ),
    TopicAuthorizationFailedError: (
        ". Kafka denies this user access to the topic {topic}: correct KAFKA_TOPIC, or grant the rights that "
        "docs/explanation/security.md lists"
    ),
}


class _MetadataResponse(Response):  # type: ignore[misc]  # aiokafka ships no types
    API_KEY = 3
    API_VERSION = 12
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", CompactString("utf-8")),
                *_UUID,
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _MetadataRequestV12(RequestStruct):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 12
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = Schema(
        ("topics", CompactArray(*_UUID, ("name", CompactString("utf-8")), ("tags", TaggedFields))),
        ("allow_auto_topic_creation", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _MetadataRequest(Request[_MetadataRequestV12]):  # type: ignore[misc]
    API_KEY = 3

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def build(self, request_struct_class: type[_MetadataRequestV12]) -> _MetadataRequestV12:
        no_id, no = 0, False
        return request_struct_class([(no_id, no_id, self._topic, {})], no, no, {})


class Topic(NamedTuple):
    """The present id of a topic, and the broker that leads each partition.

    The leader of a partition is `NO_LEADER` if no running broker can lead it.
    """

    id: str
    leaders: Mapping[int, int]


async def read_topic_id(client: AIOKafkaClient, topic: str) -> str:
    """Return the present id of a topic; raises `UnavailableError`."""
    return (await read_topic(client, topic)).id


async def read_topic(client: AIOKafkaClient, topic: str) -> Topic:
    """Request a topic from Kafka, without any cache; raises `UnavailableError`."""
    try:
        error_code, _name, high, low, _is_internal, partitions, *_ = await _request(client, topic)
    except KafkaError as error:
        raise UnavailableError(f"Kafka does not return the topic's id: {error!r}") from error
    if error_code:
        cause = for_code(error_code)
        advice = _ADVICE.get(cause, "").format(topic=topic)
        raise UnavailableError(f"the topic {topic} can't be read: {cause.__name__}{advice}")
    topic_id = uuid.UUID(int=((high << _UUID_HALF_BITS) | (low % (1 << _UUID_HALF_BITS))) % (1 << 128))
    return Topic(str(topic_id), {number: leader for _error_code, number, leader, *_ in partitions})


async def read_topic_error(client: AIOKafkaClient, topic: str) -> KafkaError:
    """Return Kafka's error for a topic without metadata, or the error of the request."""
    try:
        error_code, *_ = await _request(client, topic)
    except KafkaError as error:
        return error
    return for_code(error_code)() if error_code else LeaderNotAvailableError()


async def _request(client: AIOKafkaClient, topic: str) -> tuple[Any, ...]:
    """Send the request to one broker after another: the client may know brokers that are down."""
    nodes = [broker.nodeId for broker in client.cluster.brokers()]
    random.shuffle(nodes)
    last_error: KafkaError = NodeNotReadyError("no broker is known")
    for node in nodes:
        try:
            response: Any = await client.send(node, _MetadataRequest(topic))
        except KafkaError as error:
            last_error = error
        else:
            found: tuple[Any, ...] = response.topics[0]
            return found
    raise last_error
