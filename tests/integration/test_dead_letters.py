"""Dead letters in Kafka where it takes less than we send, or does not answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka.admin import NewTopic

from headcount.clients import kafka_options
from headcount.log.topics import admin_client
from headcount.settings import Settings
from headcount.wiring import Config, configure
from ingest.batch import Partition
from ingest.errors import UnavailableError
from ingest.kafka.dead_letters import ABRIDGED_BYTES, DEAD_LETTER_SUFFIX, KafkaDeadLetters
from ingest.ports import DeadLetter
from tests.suites.letters import read_topic
from tests.support.fakes_log import FakeRecord


@pytest.fixture
def config(kafka_bootstrap_servers: str, topic: str) -> Config:
    return configure(Settings(kafka_bootstrap_servers=kafka_bootstrap_servers, kafka_topic=topic))


@asynccontextmanager
async def letters_up_to(config: Config, most_bytes: int) -> AsyncIterator[KafkaDeadLetters]:
    """Open dead letters on a topic that takes no larger messages."""
    options = kafka_options(config)
    name = config.kafka.topic + DEAD_LETTER_SUFFIX
    async with admin_client(config) as admin:
        await admin.create_topics(
            [NewTopic(name, 1, 1, topic_configs={"max.message.bytes": str(most_bytes)})]
        )
    dead_letters = KafkaDeadLetters(config.kafka.topic, options)
    await dead_letters.start()
    yield dead_letters
    await dead_letters.stop()


def letter(value: bytes) -> DeadLetter:
    source = Partition("user-activity", 3)
    return DeadLetter(partition=source, record=FakeRecord(value=value), reason="not-json", error="not JSON")


async def test_what_is_too_large_for_the_topic_is_abridged_and_the_rest_is_not(config: Config) -> None:
    async with letters_up_to(config, 2 * ABRIDGED_BYTES) as dead_letters:
        await dead_letters.publish([letter(b"small"), letter(b"v" * 100_000), letter(b"another")])
    found = await read_topic(config.kafka.bootstrap_servers, config.kafka.topic + DEAD_LETTER_SUFFIX)
    sizes = {len(record.value or b"") for record in found}
    assert sizes == {len(b"small"), ABRIDGED_BYTES, len(b"another")}


async def test_a_topic_that_takes_not_even_that_is_named_with_what_to_do(config: Config) -> None:
    async with letters_up_to(config, 1_000) as dead_letters:
        with pytest.raises(UnavailableError, match=r"raise its max\.message\.bytes"):
            await dead_letters.publish([letter(b"v" * 100_000)])


async def test_a_kafka_that_is_away_is_waited_for_at_the_start(unused_tcp_port: int) -> None:
    dead_letters = KafkaDeadLetters("t", {"bootstrap_servers": f"127.0.0.1:{unused_tcp_port}"})
    with pytest.raises(UnavailableError, match="can't be reached"):
        await dead_letters.start()
