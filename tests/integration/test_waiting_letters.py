"""The number of waiting dead letters on a real Kafka: counted as they come, are redriven and are deleted."""

from collections.abc import AsyncIterator

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete
from redis.asyncio import Redis

from headcount.ops.dead_letters import waiting
from headcount.ops.dead_letters.overview import dead_letter_topic
from headcount.ops.dead_letters.waiting import WaitingLetters
from headcount.preflight.connections import admin_client
from headcount.telemetry.worker_port import worker_port
from ingest.batch import Partition
from ingest.errors import UnavailableError
from ingest.worker.stats import Stats
from projector.stats import Stats as Counted
from tests.support.deployment import Deployment, deployed
from tests.support.scrapes import scrape
from tests.support.waiting import wait_until


@pytest.fixture
async def deployment(
    kafka_bootstrap_servers: str, topic: str, redis_url: str, redis_client: Redis
) -> AsyncIterator[Deployment]:
    async with deployed(kafka_bootstrap_servers, topic, redis_url, WORKER_METRICS_PORT="0") as deployment:
        yield deployment


async def delete_letters(deployment: Deployment, *, up_to: int) -> None:
    native = TopicPartition(dead_letter_topic(deployment.config), 0)
    async with admin_client(deployment.config) as admin:
        await admin.delete_records({native: RecordsToDelete(before_offset=up_to)})


async def test_letters_wait_until_they_are_redriven_or_deleted(
    deployment: Deployment, redis_client: Redis
) -> None:
    letters = WaitingLetters()
    assert await letters.count(deployment.config) == 0
    await deployment.publish(b"poison", b"more poison")
    await deployment.count()
    assert await letters.count(deployment.config) == 2
    await deployment.headcount("dead-letters", "redrive", "0:0", "--yes")
    assert await letters.count(deployment.config) == 1
    await redis_client.flushdb()
    await deployment.count()  # the same letters once more, and a new one of the record that was redriven
    assert await letters.count(deployment.config) == 2
    assert await WaitingLetters().count(deployment.config) == 2
    await delete_letters(deployment, up_to=3)  # the first two, and the note: their doubles are behind it
    assert await letters.count(deployment.config) == 2
    await delete_letters(deployment, up_to=6)
    assert await letters.count(deployment.config) == 0


async def test_more_letters_than_are_read_are_given_by_the_number_of_records(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "MAX_LETTERS", 2)
    letters = WaitingLetters()
    await deployment.publish(b"poison", b"more poison")
    await deployment.count()
    await deployment.headcount("dead-letters", "redrive", "0:0", "--yes")
    assert await letters.count(deployment.config) == 3  # two letters and a note
    await delete_letters(deployment, up_to=1)
    assert await letters.count(deployment.config) == 1


async def test_a_topic_that_can_not_be_read_has_no_number(deployment: Deployment) -> None:
    nowhere = deployment.with_settings(KAFKA_TOPIC="nowhere")
    with pytest.raises(UnavailableError, match=r"nowhere\.dlq"):
        await WaitingLetters().count(nowhere.config)


async def test_the_worker_of_partition_0_shows_the_number(deployment: Deployment) -> None:
    await deployment.publish(b"poison")
    await deployment.count()
    stats = Stats()
    stats.state.assign([Partition(deployment.config.kafka.topic, 1)])
    async with worker_port(deployment.worker_settings, stats, Counted()) as url:
        assert (await scrape(str(url))).value("headcount_dead_letters_waiting") is None
        stats.state.assign([Partition(deployment.config.kafka.topic, 0)])

        async def is_shown() -> bool:
            return (await scrape(str(url))).value("headcount_dead_letters_waiting") == 1

        await wait_until(is_shown, deadline_seconds=20, message="the letter is shown")
        stats.state.leave()

        async def is_gone() -> bool:
            return (await scrape(str(url))).value("headcount_dead_letters_waiting") is None

        await wait_until(is_gone, deadline_seconds=20, message="another worker shows it")
