"""A worker on a real Kafka and a real Redis: events become answers, and the rest become letters."""

import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import InvalidTimestampError
from aiokafka.record.util import calc_crc32c
from redis.asyncio import Redis

from headcount.preflight.connections import admin_client
from headcount.wiring import utc_now
from ingest.kafka.dead_letters import DEAD_LETTER_SUFFIX
from ingest.kafka.header_names import encode_name
from ingest.ports import Record
from projector.views.daily import CatchingUpError, RedisView
from tests.support.deployment import Deployment, deployed, event
from tests.support.waiting import wait_until

CRC_AT: Final = 17
BODY_AT: Final = 21
RECORDS_AT: Final = 61
ODD_NAME: Final = b"\xff\xfeNA"


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
    assert (first.key, first.value) == (b"\x00k", b"\xffno")
    headers = dict(first.headers)
    error = headers.pop("headcount-error")
    assert b"malformed" in (error or b"")
    assert headers == {
        "headcount-topic": deployment.config.kafka.topic.encode(),
        "headcount-partition": b"2",
        "headcount-offset": str(offsets[0]).encode(),
        "headcount-timestamp": str(source[0].timestamp).encode(),
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


@pytest.mark.parametrize("attributes", [b"\x00", b"\x80"], ids=["as-specified", "unknown-attributes"])
async def test_an_event_is_counted_whatever_bytes_a_header_has_for_a_name(
    deployment: Deployment, redis_client: Redis, attributes: bytes
) -> None:
    """Kafka takes any bytes for it, and any attributes of a record; aiokafka decodes neither."""
    await deployment.publish(event("alice"))
    await publish_raw(deployment, event("bob"), attributes=attributes)
    await deployment.publish(event("carol"))
    await deployment.count()
    assert await users_today(redis_client) == 3
    assert await letters(deployment) == []


@pytest.mark.parametrize("value", [b"no event", None], ids=["value", "no-value"])
async def test_a_letter_has_any_name_of_a_header_byte_for_byte_and_so_has_the_record_redriven(
    deployment: Deployment, value: bytes | None
) -> None:
    await publish_raw(deployment, value)
    await deployment.count()
    (letter,) = await letters(deployment)
    assert encoded(letter)[-1] == (ODD_NAME, b"1")
    shown = await deployment.headcount("dead-letters", "show", "0:0")
    assert (shown.exit_code, "header \\udcff\\udcfeNA" in shown.text) == (0, True)
    document = await deployment.headcount("dead-letters", "show", "0:0", "--json")
    assert document.json["headers"][0]["name"] == "\\udcff\\udcfeNA"
    redriven = await deployment.headcount("dead-letters", "redrive", "--all", "--yes", "--json")
    assert redriven.json["redriven"] == 1
    _, again = await deployment.read(deployment.config.kafka.topic)
    assert (again.value, encoded(again)) == (value, [(ODD_NAME, b"1"), (b"headcount-redriven", b"1")])


@pytest.mark.parametrize("timestamp", [1_700_000_000, 1_700_000_000_000_000], ids=["seconds", "microseconds"])
async def test_a_letter_carries_any_timestamp_of_a_record_in_a_header_and_is_of_the_present(
    deployment: Deployment, redis_client: Redis, timestamp: int
) -> None:
    """A broker refuses a letter that is stamped far ahead, and deletes one stamped in 1970 as expired."""
    async with admin_client(deployment.config) as admin:
        config = {
            "message.timestamp.type": "CreateTime",
            "message.timestamp.after.max.ms": str((1 << 63) - 1),
        }
        topic = deployment.config.kafka.topic
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, config)])
    now = utc_now().timestamp() * 1000

    async def is_taken() -> bool:  # a broker applies a change a moment after it was asked for
        producer = AIOKafkaProducer(bootstrap_servers=deployment.config.kafka.bootstrap_servers)
        async with producer:
            try:
                await producer.send_and_wait(topic, b"no event", partition=0, timestamp_ms=timestamp)
            except InvalidTimestampError:
                return False
        *_, record = await deployment.read(topic)
        return record.timestamp == timestamp

    await wait_until(is_taken, deadline_seconds=60, message="Kafka took the record with its timestamp")
    await deployment.publish(event("alice"), partition=1)
    await deployment.count()
    assert await users_today(redis_client) == 1
    *_, letter = await letters(deployment)
    assert dict(letter.headers)["headcount-timestamp"] == str(timestamp).encode()
    assert letter.timestamp >= now - 60_000
    listed = await deployment.headcount("dead-letters", "list", "--since", "1d", "--json")
    assert listed.json["letters"]
    assert (await deployment.headcount("dead-letters", "redrive", "--all", "--yes")).exit_code == 0


def encoded(record: Record) -> list[tuple[bytes, bytes | None]]:
    return [(encode_name(name), value) for name, value in record.headers]


async def publish_raw(deployment: Deployment, value: bytes | None, *, attributes: bytes = b"\0") -> None:
    """Publish a record with a header whose name is not UTF-8, as a client that is not aiokafka may do."""
    async with AIOKafkaProducer(bootstrap_servers=deployment.config.kafka.bootstrap_servers) as producer:
        batch = producer.create_batch()
        batch.append(timestamp=None, key=None, value=value, headers=[("NAME", b"1")])
        batch.close()
        build = batch._build
        batch._build = lambda: altered(build(), attributes)
        await (await producer.send_batch(batch, deployment.config.kafka.topic, partition=0))


def altered(batch: bytearray, attributes: bytes) -> bytearray:
    """Put the odd name into the batch, and the attributes into its record, which begins with its length."""
    body = bytes(batch[BODY_AT:]).replace(b"NAME", ODD_NAME)
    at = body.index(b"\x00", RECORDS_AT - BODY_AT)
    body = body[:at] + attributes + body[at + 1 :]
    return batch[:CRC_AT] + bytearray(calc_crc32c(body).to_bytes(4) + body)


async def publish_batch(deployment: Deployment, *, name: str) -> None:
    """Publish a record with neither key nor value."""
    async with AIOKafkaProducer(bootstrap_servers=deployment.config.kafka.bootstrap_servers) as producer:
        batch = producer.create_batch()
        batch.append(timestamp=None, key=None, value=None, headers=[(name, b"1")])
        await (await producer.send_batch(batch, deployment.config.kafka.topic, partition=0))
