"""The rest of aiokafka as the code under test uses it, and what puts the fakes in its place."""

import asyncio
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from unittest.mock import patch

from aiokafka.errors import UnknownTopicOrPartitionError
from aiokafka.protocol.offset import OffsetRequest, OffsetResetStrategy
from aiokafka.structs import BrokerMetadata

from ingest.kafka import polling, producer, source
from ingest.kafka.dead_letters import DEAD_LETTER_SUFFIX
from ingest.kafka.header_names import AnyNamesBatch
from ingest.kafka.lenient_batch import LenientRecords
from ingest.ports import Headers
from tests.simulation.broker import TOPIC, Broker, Letter
from tests.simulation.consumer import FakeConsumer

POLL_MILLISECONDS: Final = 250
"""More than the real source's, to spend fewer turns on an idle log."""
NODE: Final = 0
_HALF_BITS: Final = 64


class FakeProducer:
    """The part of `AIOKafkaProducer` that `ingest.kafka.producer` uses."""

    def __init__(self, *, broker: Broker, **_config: object) -> None:
        self._broker = broker
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        await self._broker.network.request("metadata", self._broker.numbers)

    async def stop(self) -> None:
        """Nothing is open."""

    async def send(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        *,
        headers: Headers,
        partition: int | None,
    ) -> asyncio.Future[None]:
        assert not (value is None and key is None), "Need at least one: key or value"
        assert (topic, partition) == (TOPIC + DEAD_LETTER_SUFFIX, None)
        return asyncio.ensure_future(self._send(Letter(key, value, headers)))

    async def partitions_for(self, topic: str) -> set[int]:
        assert topic == TOPIC + DEAD_LETTER_SUFFIX
        return {0}

    async def send_batch(self, batch: AnyNamesBatch, topic: str, *, partition: int) -> asyncio.Future[None]:
        assert (topic, partition) == (TOPIC + DEAD_LETTER_SUFFIX, 0)
        (record,) = LenientRecords(bytes(batch._build())).next_batch()
        return asyncio.ensure_future(self._send(Letter(record.key, record.value, record.headers)))

    async def _send(self, letter: Letter) -> None:
        async with self._turn:  # one after another, so that they stay in order
            await self._broker.network.request("letter", lambda: self._broker.letters.append(letter))


class _Metadata:
    """The answer to the request for a topic's metadata, as far as `ingest.kafka.topic_metadata` reads it."""

    def __init__(self, broker: Broker) -> None:
        high, low = divmod(broker.topic.id.int, 1 << _HALF_BITS)
        is_internal, nothing = False, 0
        error_code = UnknownTopicOrPartitionError.errno if broker.is_topic_gone else nothing
        partitions = [(nothing, number, NODE) for number in broker.numbers()]
        self.topics: list[tuple[Any, ...]] = [
            (error_code, TOPIC, high, low, is_internal, partitions, nothing, {})
        ]


class _Offsets:
    """The answer to the request for offsets, as far as `ingest.kafka.partition_offsets` reads it."""

    def __init__(self, found: Mapping[int, int]) -> None:
        no_error, no_timestamp = 0, -1
        self.topics = [
            (TOPIC, [(number, no_error, no_timestamp, offset) for number, offset in found.items()])
        ]


class _Cluster:
    def brokers(self) -> set[BrokerMetadata]:
        return {BrokerMetadata(NODE, "kafka", 9092, None)}


class FakeClient:
    """The part of `AIOKafkaClient` that `ingest.kafka` uses to ask about the topic."""

    def __init__(self, *, broker: Broker, **_config: object) -> None:
        self.cluster = _Cluster()
        self._broker = broker

    async def bootstrap(self) -> None:
        await self._broker.network.request("metadata", self._broker.numbers)

    async def close(self) -> None:
        """Nothing is open."""

    async def send(self, _node: int, request: object) -> _Metadata | _Offsets:
        if not isinstance(request, OffsetRequest):
            return await self._broker.network.request("topic id", lambda: _Metadata(self._broker))
        ((_topic, wanted),) = request._topics
        numbers = [number for number, _ in wanted]
        if {at for _, at in wanted} == {OffsetResetStrategy.EARLIEST}:
            return await self._broker.network.request(
                "beginnings", lambda: _Offsets(self._broker.beginnings(numbers))
            )
        stable = request._isolation_level > 0
        return await self._broker.network.request(
            "ends", lambda: _Offsets(self._broker.ends(numbers, stable=stable))
        )


@contextmanager
def fake_kafka(chance: random.Random, *, poll_records: int) -> Iterator[None]:
    """Have the code under test find the fakes where it looks for aiokafka."""

    def consumer(**config: Any) -> FakeConsumer:  # noqa: ANN401 - aiokafka's own keywords
        return FakeConsumer(chance=chance, **config)

    with (
        patch.object(source, "AIOKafkaConsumer", consumer),
        patch.object(source, "AIOKafkaClient", FakeClient),
        patch.object(polling, "POLL_RECORDS", poll_records),
        patch.object(polling, "POLL_MILLISECONDS", POLL_MILLISECONDS),
        patch.object(producer, "AIOKafkaProducer", FakeProducer),
    ):
        yield
