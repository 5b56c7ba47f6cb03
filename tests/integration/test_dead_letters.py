"""Dead letters in Kafka where it takes less than we send, or does not answer."""

from collections.abc import AsyncIterator

import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from headcount.clients import kafka_options
from headcount.settings import Settings
from headcount.topics import admin_client, create_topics
from ingest.batch import Partition
from ingest.dead_letters import ABRIDGED_BYTES, DEAD_LETTER_SUFFIX, KafkaDeadLetters
from ingest.errors import UnavailableError
from ingest.ports import DeadLetter
from tests.fakes_log import FakeRecord
from tests.suites.letters import read_topic


@pytest.fixture
async def settings(kafka_bootstrap_servers: str, topic: str) -> Settings:
    settings = Settings(kafka_bootstrap_servers=kafka_bootstrap_servers, kafka_topic=topic)
    await create_topics(settings)
    return settings


@pytest.fixture
async def dead_letters(settings: Settings) -> AsyncIterator[KafkaDeadLetters]:
    dead_letters = KafkaDeadLetters(settings.kafka_topic, kafka_options(settings))
    await dead_letters.start()
    yield dead_letters
    await dead_letters.stop()


async def limit_letters(settings: Settings, most_bytes: int) -> None:
    resource = ConfigResource(
        ConfigResourceType.TOPIC,
        settings.kafka_topic + DEAD_LETTER_SUFFIX,
        {"max.message.bytes": str(most_bytes)},
    )
    async with admin_client(settings) as admin:
        await admin.alter_configs([resource])


def letter(value: bytes) -> DeadLetter:
    source = Partition("user-activity", 3)
    return DeadLetter(partition=source, record=FakeRecord(value=value), reason="not-json", error="not JSON")


async def test_what_is_too_large_for_the_topic_is_abridged_and_the_rest_is_not(
    settings: Settings, dead_letters: KafkaDeadLetters
) -> None:
    await limit_letters(settings, 2 * ABRIDGED_BYTES)
    await dead_letters.publish([letter(b"small"), letter(b"v" * 100_000), letter(b"another")])
    found = await read_topic(settings.kafka_bootstrap_servers, settings.kafka_topic + DEAD_LETTER_SUFFIX)
    sizes = {len(record.value or b"") for record in found}
    assert sizes == {len(b"small"), ABRIDGED_BYTES, len(b"another")}


async def test_a_topic_that_takes_not_even_that_is_named_with_what_to_do(
    settings: Settings, dead_letters: KafkaDeadLetters
) -> None:
    await limit_letters(settings, 1_000)
    with pytest.raises(UnavailableError, match=r"raise its max\.message\.bytes"):
        await dead_letters.publish([letter(b"v" * 100_000)])


async def test_a_kafka_that_is_away_is_waited_for_at_the_start(unused_tcp_port: int) -> None:
    dead_letters = KafkaDeadLetters("t", {"bootstrap_servers": f"127.0.0.1:{unused_tcp_port}"})
    with pytest.raises(UnavailableError, match="can't be reached"):
        await dead_letters.start()
