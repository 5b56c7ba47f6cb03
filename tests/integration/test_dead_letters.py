"""Dead letters in Kafka where it takes less than we send, or does not answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from redis.asyncio import Redis
from structlog.testing import capture_logs

from headcount.clients import kafka_options
from headcount.preflight.connections import admin_client, create_topics
from headcount.settings import Settings
from headcount.wiring import Config, configure
from ingest.batch import Partition
from ingest.errors import PartitionStoppedError, UnavailableError
from ingest.kafka.dead_letters import ABRIDGED_BYTES, DEAD_LETTER_SUFFIX, KafkaDeadLetters
from ingest.ports import DeadLetter
from projector.checkpoints import read_progress
from tests.suites.letters import read_topic
from tests.support.deployment import Deployment, event
from tests.support.fakes_log import FakeRecord
from tests.support.waiting import wait_until


@pytest.fixture
def config(kafka_bootstrap_servers: str, topic: str) -> Config:
    return configure(Settings(kafka_bootstrap_servers=kafka_bootstrap_servers, kafka_topic=topic))


@asynccontextmanager
async def letters_on(config: Config, settings: dict[str, str]) -> AsyncIterator[KafkaDeadLetters]:
    """Open dead letters on a topic with these settings."""
    options = kafka_options(config)
    name = config.kafka.topic + DEAD_LETTER_SUFFIX
    async with admin_client(config) as admin:
        await admin.create_topics([NewTopic(name, 1, 1, topic_configs=settings)])
    dead_letters = KafkaDeadLetters(config.kafka.topic, options)
    await dead_letters.start()
    try:
        yield dead_letters
    finally:
        await dead_letters.stop()


def letter(value: bytes, *, offset: int = 0) -> DeadLetter:
    source = Partition("user-activity", 3)
    return DeadLetter(
        partition=source, record=FakeRecord(value=value, offset=offset), reason="not-json", error="not JSON"
    )


async def test_what_is_too_large_for_the_topic_is_abridged_and_the_rest_is_not(config: Config) -> None:
    async with letters_on(config, {"max.message.bytes": str(2 * ABRIDGED_BYTES)}) as dead_letters:
        await dead_letters.publish([letter(b"small"), letter(b"v" * 100_000), letter(b"another")])
    found = await read_topic(config.kafka.bootstrap_servers, config.kafka.topic + DEAD_LETTER_SUFFIX)
    sizes = {len(record.value or b"") for record in found}
    assert sizes == {len(b"small"), ABRIDGED_BYTES, len(b"another")}


@pytest.mark.parametrize(
    ("settings_of_topic", "advice"),
    [
        ({"max.message.bytes": "1000"}, r"raise its max\.message\.bytes to 32768"),
        ({"cleanup.policy": "compact"}, r"set its cleanup\.policy to delete"),
    ],
    ids=["too-small", "compacted"],
)
async def test_a_topic_that_takes_no_letter_stops_the_partition_and_is_named_with_what_to_do(
    config: Config, settings_of_topic: dict[str, str], advice: str
) -> None:
    async with letters_on(config, settings_of_topic) as dead_letters:
        with pytest.raises(PartitionStoppedError, match=advice) as stopped:
            await dead_letters.publish([letter(b"v" * 100_000)])
        assert stopped.value.partition == Partition("user-activity", 3)
        assert config.kafka.topic + DEAD_LETTER_SUFFIX in str(stopped.value)


async def test_a_topic_that_is_not_there_stops_the_partition_and_is_named(config: Config) -> None:
    dead_letters = KafkaDeadLetters(config.kafka.topic, kafka_options(config))
    await dead_letters.start()
    try:
        with pytest.raises(PartitionStoppedError, match="it does not exist: create it"):
            await dead_letters.publish([letter(b"v")])
    finally:
        await dead_letters.stop()


async def test_letters_that_were_taken_are_not_published_again_with_the_one_that_was_refused(
    config: Config,
) -> None:
    """A partition that stopped tries again for as long as it takes, and its letters would pile up."""
    async with letters_on(config, {"max.message.bytes": "1000"}) as dead_letters:
        for _ in range(3):
            with pytest.raises(PartitionStoppedError):
                await dead_letters.publish([letter(b"small"), letter(b"v" * 100_000, offset=1)])
    found = await read_topic(config.kafka.bootstrap_servers, config.kafka.topic + DEAD_LETTER_SUFFIX)
    assert [record.value for record in found] == [b"small"]


async def test_other_partitions_are_counted_while_one_stops_and_it_resumes_once_the_topic_takes_letters(
    config: Config, redis_url: str, redis_client: Redis
) -> None:
    deployment = Deployment(
        {
            "KAFKA_BOOTSTRAP_SERVERS": config.kafka.bootstrap_servers,
            "KAFKA_TOPIC": config.kafka.topic,
            "REDIS_URL": redis_url,
        }
    )
    await create_topics(deployment.config)
    name = config.kafka.topic + DEAD_LETTER_SUFFIX
    async with admin_client(config) as admin:
        await admin.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, name, {"cleanup.policy": "compact"})]
        )
    await deployment.publish(b"no event", partition=0)
    with capture_logs() as logs:
        async with deployment.worker():
            await wait_until(
                lambda: any(line["event"] == "partition stopped" for line in logs), deadline_seconds=120
            )
            await deployment.publish(event("alice"), partition=1)

            async def checkpoints() -> tuple[int | None, int | None]:
                found = (await read_progress(redis_client)).checkpoints
                poisoned, other = (Partition(config.kafka.topic, number) for number in range(2))
                return found.get(poisoned), found.get(other)

            async def is_other_counted() -> bool:
                return await checkpoints() == (0, 1)

            await wait_until(is_other_counted, deadline_seconds=120)
            async with admin_client(config) as admin:
                await admin.alter_configs(
                    [ConfigResource(ConfigResourceType.TOPIC, name, {"cleanup.policy": "delete"})]
                )

            async def is_counted() -> bool:
                return await checkpoints() == (1, 1)

            await wait_until(is_counted, deadline_seconds=240, message="the partition had resumed")
    (found,) = await read_topic(config.kafka.bootstrap_servers, name)
    assert found.value == b"no event"


async def test_a_kafka_that_is_away_is_waited_for_at_the_start(unused_tcp_port: int) -> None:
    dead_letters = KafkaDeadLetters("t", {"bootstrap_servers": f"127.0.0.1:{unused_tcp_port}"})
    with pytest.raises(UnavailableError, match="can't be reached"):
        await dead_letters.start()
