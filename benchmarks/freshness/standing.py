"""The standing of the whole: how much is published, and how much of that the worker has counted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from redis.asyncio import Redis

from headcount.clients import kafka_options, worker_redis
from headcount.wiring import Config
from ingest.kafka.topics import PARTITIONS
from projector.checkpoints import read_progress

DRAINED_EVENTS: Final = 1_000
DRAIN_SECONDS: Final = 120.0
DRAIN_CHECK_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Standing:
    """Events since the topic was made, at an instant of the loop's clock."""

    at: float
    published: int
    counted: int

    @property
    def lag(self) -> int:
        """How many are published and not counted, and what came between the two looks."""
        return self.published - self.counted


class Standings:
    """Looks at log and checkpoints; both clients are the caller's."""

    def __init__(self, consumer: AIOKafkaConsumer, topic: str, redis: Redis) -> None:
        self._consumer = consumer
        self._topic = topic
        self._redis = redis

    async def look(self) -> Standing:
        # First: in the other order a busy worker would be seen to lag by less than it does.
        counted = sum((await read_progress(self._redis)).checkpoints.values())
        ends = await self._consumer.end_offsets(
            [TopicPartition(self._topic, number) for number in range(PARTITIONS)]
        )
        return Standing(asyncio.get_running_loop().time(), sum(ends.values()), counted)

    async def drained(self) -> None:
        """Return once hardly anything is left to count; raises `TimeoutError`."""
        async with asyncio.timeout(DRAIN_SECONDS):
            while (await self.look()).lag > DRAINED_EVENTS:  # noqa: ASYNC110  no event to wait for
                await asyncio.sleep(DRAIN_CHECK_SECONDS)


@asynccontextmanager
async def open_standings(config: Config) -> AsyncIterator[Standings]:
    """Connect to Kafka and Redis for the block."""
    async with AIOKafkaConsumer(**kafka_options(config)) as consumer, worker_redis(config) as redis:
        standings = Standings(consumer, config.kafka.topic, redis)
        await (
            standings.look()
        )  # the first takes half a second, for the consumer knows nothing of the topic yet
        yield standings
