"""A worker on a real Kafka and a real Redis: events become answers, and the rest become letters."""

import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.record.util import calc_crc32c
from redis.asyncio import Redis

from headcount.wiring import utc_now
from ingest.batch import Partition
from ingest.kafka.dead_letters import DEAD_LETTER_SUFFIX
from ingest.ports import Record
from projector.checkpoints import read_progress
from projector.views.daily import CatchingUpError, RedisView
from tests.support.deployment import Deployment, deployed, event
from tests.support.waiting import wait_until

CRC_AT: Final = 17
BODY_AT: Final = 21


@pytest.fixture
async def deployment(
    kafka_bootstrap_servers: str, topic: str, redis_url: str, redis_client: Redis
) -> AsyncIterator[Deployment]:
    async with deployed(kafka_bootstrap_servers, topic, redis_url) as deployment:
        yield deployment


async def letters(deployment: Deployment) -> list[Record]:
    return await deployment.read(deployment.config.kafka.topic + DEAD_LETTER_SUFFIX)


async def users_today(redis: Redis, workspace_id: str = "acme") -> int:
    counts = await RedisView(redis).daily_counts(workspace_id, [utc_now().date()])
    return counts.users[0]


async def test_an_event_published_is_in_the_views_answer_soon(
    deployment: Deployment, redis_client: Redis
) -> None:
    async with deployment.worker():
        await wait_until(deployment.is_caught_up, deadline_seconds=30)
        assert await users_today(redis_client) == 0
        await deployment.publish(event("alice"))

        async def is_counted() -> bool:
            return await users_today(redis_client) == 1

        await wait_until(is_counted, deadline_seconds=10, message="the view counted the event")


async def test_events_of_every_partition_count_on_the_day_that_they_happened(
    deployment: Deployment, redis_client: Redis
) -> None:
    now = utc_now()
    for partition in range(4):
        await deployment.publish(
            event("alice", now - timedelta(days=partition)), event(f"user-{partition}"), partition=partition
        )
    await deployment.count()
    window = [now.date() - timedelta(days=age) for age in range(5)]
    assert (await RedisView(redis_client).daily_counts("acme", window)).users == [5, 1, 1, 1, 0]


async def test_the_view_knows_nothing_before_the_first_worker(
    deployment: Deployment, redis_client: Redis
) -> None:
    await deployment.publish(event("alice"))
    with pytest.raises(CatchingUpError):
        await users_today(redis_client)


async def test_what_is_no_event_becomes_a_letter_and_the_rest_is_counted(
    deployment: Deployment, redis_client: Redis
) -> None:
    offsets = await deployment.publish(b"\xffno", key=b"\x00k", headers=[("trace", b"1")], partition=2)
    await deployment.publish(None, key=b"only a key", partition=2)
    await deployment.publish(event("alice"), partition=2)
    await deployment.count()
    assert await users_today(redis_client) == 1
    first, second = await letters(deployment)
    source = await deployment.read(deployment.config.kafka.topic, partition=2)
    assert (first.key, first.value, first.timestamp) == (b"\x00k", b"\xffno", source[0].timestamp)
    headers = dict(first.headers)
    error = headers.pop("headcount-error")
    assert b"malformed" in (error or b"")
    assert headers == {
        "headcount-topic": deployment.config.kafka.topic.encode(),
        "headcount-partition": b"2",
        "headcount-offset": str(offsets[0]).encode(),
        "headcount-reason": b"not-json",
        "trace": b"1",
    }
    assert (second.key, second.value) == (b"only a key", None)
    assert dict(second.headers)["headcount-reason"] == b"no-value"


async def test_a_record_with_neither_key_nor_value_becomes_a_letter(
    deployment: Deployment, redis_client: Redis
) -> None:
    await publish_batch(deployment, name="x")
    await deployment.publish(event("alice"))
    await deployment.count()
    (letter,) = await letters(deployment)
    assert (letter.key, letter.value) == (None, None)
    assert await users_today(redis_client) == 1


async def test_a_record_of_ten_megabytes_becomes_an_abridged_letter(
    deployment: Deployment, redis_client: Redis
) -> None:
    value = bytes(range(256)) * 40_000
    await deployment.publish(event("alice"))
    await deployment.publish_large(value)
    await deployment.publish(event("bob"))
    await deployment.count()
    (letter,) = await letters(deployment)
    headers = dict(letter.headers)
    assert headers["headcount-reason"] == b"too-large"
    assert headers["headcount-value-bytes"] == str(len(value)).encode()
    assert headers["headcount-value-sha256"] == hashlib.sha256(value).hexdigest().encode()
    assert value.startswith(letter.value or b"?")
    assert await users_today(redis_client) == 2


async def test_a_header_that_can_not_be_read_stops_its_own_partition(
    deployment: Deployment, redis_client: Redis
) -> None:
    """Kafka takes any bytes for a header's name, also such as are no text."""
    await deployment.publish(event("alice"))
    await publish_batch(deployment, name="NAME", instead=b"\xff\xfe\xff\xfe")
    async with deployment.worker():
        await deployment.publish(event("bob"), partition=1)
        stuck, other = (Partition(deployment.config.kafka.topic, number) for number in range(2))

        async def is_counted_around() -> bool:
            checkpoints = (await read_progress(redis_client)).checkpoints
            return (checkpoints.get(stuck), checkpoints.get(other)) == (1, 1)

        await wait_until(is_counted_around, deadline_seconds=30)


async def publish_batch(deployment: Deployment, *, name: str, instead: bytes | None = None) -> None:
    """Publish a record with neither key nor value; its header's name may be replaced in the raw batch."""
    async with AIOKafkaProducer(bootstrap_servers=deployment.config.kafka.bootstrap_servers) as producer:
        batch = producer.create_batch()
        batch.append(timestamp=None, key=None, value=None, headers=[(name, b"1")])
        batch.close()
        if instead is not None:
            build = batch._build
            batch._build = lambda: renamed(build(), name.encode(), instead)
        await (await producer.send_batch(batch, deployment.config.kafka.topic, partition=0))


def renamed(batch: bytearray, name: bytes, instead: bytes) -> bytearray:
    body = bytes(batch[BODY_AT:]).replace(name, instead)
    checksum = calc_crc32c(body).to_bytes(4)
    return batch[:CRC_AT] + bytearray(checksum + body)
