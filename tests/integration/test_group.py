"""The consumer group when a member dies without a word: its session must end before others are answered."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from headcount.clients import kafka_options
from headcount.preflight.connections import create_topics
from headcount.settings import Settings
from headcount.wiring import configure
from ingest.kafka.source import KafkaSource
from ingest.kafka.topics import PARTITIONS
from tests.support.waiting import wait_until

DEADLINE_SECONDS = 60.0
_MEMBER = """
import asyncio, sys
from aiokafka import AIOKafkaConsumer

async def main():
    consumer = AIOKafkaConsumer(
        sys.argv[1], bootstrap_servers=sys.argv[2], group_id=sys.argv[1], session_timeout_ms=6500
    )
    await consumer.start()
    print("joined", flush=True)
    await asyncio.sleep(3600)

asyncio.run(main())
"""


async def test_joining_after_a_member_died_takes_its_session_and_no_error(
    kafka_bootstrap_servers: str, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    config = configure(
        Settings(kafka_bootstrap_servers=kafka_bootstrap_servers, kafka_topic=topic, kafka_group_id=topic)
    )
    await create_topics(config)
    with _member(topic, kafka_bootstrap_servers) as member:
        member.kill()
    source = KafkaSource(topic, topic, kafka_options(config))
    await source.start()
    try:
        with caplog.at_level(logging.ERROR, logger="aiokafka"):
            await wait_until(lambda: _owns_all(source), deadline_seconds=DEADLINE_SECONDS)
        assert [record for record in caplog.records if record.name.startswith("aiokafka")] == []
    finally:
        await source.stop()


async def _owns_all(source: KafkaSource) -> bool:
    await source.poll()
    return len(source.take_assignment() or ()) == PARTITIONS


@contextmanager
def _member(topic: str, address: str) -> Iterator[subprocess.Popen[str]]:
    """Run another member of the group, once it has joined."""
    command = [sys.executable, "-c", _MEMBER, topic, address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as member:
        assert member.stdout is not None
        assert member.stdout.readline() == "joined\n"
        yield member
