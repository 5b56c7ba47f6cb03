"""One partition has no leader: its events wait, every other partition is counted, and its name is shown."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import NewTopic
from aiokafka.errors import KafkaError
from redis.asyncio import Redis

from embedded import EmbeddedKafka
from embedded.ports import find_free_port
from headcount.ops.status import Status, read_status
from headcount.preflight.connections import admin_client
from headcount.telemetry.worker_port import serve_measured_worker
from ingest.errors import UnavailableError
from ingest.kafka.dead_letters import DEAD_LETTER_SUFFIX
from ingest.kafka.erasure_log import ERASURES_SUFFIX
from tests.support.deployment import Deployment, event
from tests.support.second_broker import SecondBroker
from tests.support.servers import Servers
from tests.support.waiting import wait_until

STALLED_AFTER_SECONDS = 10
WITHOUT_LEADER = "it has no leader; start the brokers that hold its replicas"


@pytest.fixture
async def first(embedded_kafka: Servers[EmbeddedKafka]) -> EmbeddedKafka:
    return await embedded_kafka.start(heap_megabytes=256)


@pytest.fixture
async def second(first: EmbeddedKafka, homes: Iterator[Path]) -> AsyncIterator[SecondBroker]:
    broker = SecondBroker(first, home=next(homes))
    try:
        yield broker
    finally:
        broker.kill()


@pytest.fixture
async def deployment(
    first: EmbeddedKafka, second: SecondBroker, topic: str, redis_url: str, redis_client: Redis
) -> Deployment:
    """Partition 0 is on the first broker, partition 1 on the second, and all else on the first."""
    deployment = Deployment(
        {
            "KAFKA_BOOTSTRAP_SERVERS": first.bootstrap_servers,
            "KAFKA_TOPIC": topic,
            "KAFKA_GROUP_ID": topic,
            "REDIS_URL": redis_url,
            "WORKER_METRICS_PORT": str(find_free_port()),
            "STALLED_AFTER_SECONDS": str(STALLED_AFTER_SECONDS),
        }
    )
    # Before there is a second broker, which might coordinate the group otherwise.
    await wait_until(lambda: _is_group_coordinated(deployment), message="the group had a coordinator")
    await second.start()
    places = {topic: {0: [1], 1: [2]}}
    places |= {topic + suffix: {0: [1]} for suffix in (DEAD_LETTER_SUFFIX, ERASURES_SUFFIX)}
    async with admin_client(deployment.config) as admin:
        await admin.create_topics(
            [NewTopic(name, -1, -1, replica_assignments=each) for name, each in places.items()]
        )
    return deployment


async def test_the_other_partitions_are_counted_and_it_is_named(
    deployment: Deployment, second: SecondBroker, topic: str
) -> None:
    await deployment.publish(event("anna"))
    await deployment.publish(event("bert"), partition=1)
    async with _worker(deployment):
        await wait_until(deployment.is_caught_up, deadline_seconds=60, message="everything was counted")
        assert (await _ask(deployment, "readyz"))[0] == 200
        await second.stop()
        await wait_until(lambda: _is_unavailable(deployment), deadline_seconds=30, message="it was named")

        (end,) = await deployment.publish(event("cleo"))
        await _until_counted(deployment, end + 1)
        before = (await read_status(deployment.config)).partitions
        await wait_until(
            lambda: _has_aged(deployment, 2 * STALLED_AFTER_SECONDS),
            deadline_seconds=60,
            message="as-of aged",
        )
        status = await read_status(deployment.config)
        assert (status.as_of, status.partitions[1].as_of) == (before[1].as_of, before[1].as_of)
        assert _as_of(status, 0) > _as_of(status, 1)
        assert await _ask(deployment, "livez") == (200, {"alive": True, "stalled": []})
        code, body = await _ask(deployment, "readyz")
        assert (code, body["partitions"]) == (
            503,
            {f"{topic}:0": "ok", f"{topic}:1": f"unavailable: {WITHOUT_LEADER}"},
        )
        await wait_until(lambda: _is_committed(deployment, end + 1), message="the lag tools see partition 0")


async def test_a_worker_that_starts_counts_the_others_and_that_one_once_it_has_a_leader(
    deployment: Deployment, second: SecondBroker
) -> None:
    await deployment.publish(event("anna"))
    await deployment.publish(event("bert"), partition=1)
    await deployment.count()
    await deployment.publish(event("cleo"), partition=1)
    await second.stop()
    (end,) = await deployment.publish(event("dora"))
    async with _worker(deployment):
        await _until_counted(deployment, end + 1)
        (end,) = await deployment.publish(event("emil"))
        await _until_counted(deployment, end + 1)
        await second.start()
        await wait_until(deployment.is_caught_up, deadline_seconds=60, message="everything was counted")
    status = await read_status(deployment.config)
    assert [(each.checkpoint, each.end) for each in status.partitions] == [(3, 3), (2, 2)]
    assert not status.gaps


async def test_commands_name_it(deployment: Deployment, second: SecondBroker, topic: str) -> None:
    await deployment.publish(event("anna"))
    await deployment.publish(event("bert"), partition=1)
    await deployment.count()
    await second.stop()
    await wait_until(lambda: _is_leaderless(deployment), deadline_seconds=30, message="no leader was known")
    status = await read_status(deployment.config)
    assert [(each.number, each.checkpoint, each.end, each.lag) for each in status.partitions] == [
        (0, 1, 1, 0),
        (1, 1, None, None),
    ]
    assert status.concerns[0] == (
        f"Partition {topic}:1 can't be read: {WITHOUT_LEADER}. Its events are not counted until then."
    )
    for command in ("audit", "verify --workspace acme", "doctor"):
        ended = await deployment.headcount(*command.split())
        assert ended.exit_code != 0
        assert f"{topic}:1: {WITHOUT_LEADER}" in " ".join(f"{ended.text} {ended.stderr}".split()), command


async def test_counting_does_not_begin_before_every_partition_was_seen(
    deployment: Deployment, second: SecondBroker
) -> None:
    """Readers take as-of from the partitions that have a checkpoint: it must not pass another one."""
    await deployment.publish(event("anna"))
    await deployment.publish(event("bert"), partition=1)
    await second.stop()
    await wait_until(lambda: _is_leaderless(deployment), deadline_seconds=30, message="no leader was known")
    async with _worker(deployment):
        await wait_until(lambda: _waits_for(deployment, ":1"), deadline_seconds=60, message="it waited")
        assert (await read_status(deployment.config)).as_of is None
        await second.start()
        await wait_until(deployment.is_caught_up, deadline_seconds=60, message="everything was counted")


@asynccontextmanager
async def _worker(deployment: Deployment) -> AsyncIterator[None]:
    """Run a worker as long as the block, with its port for health."""
    stopping = asyncio.Event()
    serving = asyncio.create_task(serve_measured_worker(deployment.worker_settings, stopping))
    try:
        yield
    finally:
        stopping.set()
        await serving


async def _is_group_coordinated(deployment: Deployment) -> bool:
    try:
        async with admin_client(deployment.config) as admin:
            await admin.describe_consumer_groups(["any"])
    except (UnavailableError, KafkaError):
        return False
    return True


async def _ask(deployment: Deployment, path: str) -> tuple[int, Mapping[str, Any]]:
    url = f"http://127.0.0.1:{deployment.environment['WORKER_METRICS_PORT']}/{path}"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.json()


async def _is_unavailable(deployment: Deployment) -> bool:
    _, body = await _ask(deployment, "readyz")
    return any(WITHOUT_LEADER in words for words in body["partitions"].values())


async def _waits_for(deployment: Deployment, partition: str) -> bool:
    try:
        _, body = await _ask(deployment, "readyz")
    except aiohttp.ClientError:
        return False
    return f"{partition}: {WITHOUT_LEADER}" in body["servers"]


async def _is_leaderless(deployment: Deployment) -> bool:
    return any(WITHOUT_LEADER in concern for concern in (await read_status(deployment.config)).concerns)


async def _until_counted(deployment: Deployment, offset: int) -> None:
    async def is_counted() -> bool:
        return (await read_status(deployment.config)).partitions[0].checkpoint == offset

    await wait_until(is_counted, deadline_seconds=60, message="partition 0 was counted")


async def _has_aged(deployment: Deployment, seconds: float) -> bool:
    age = (await read_status(deployment.config)).as_of_age_seconds
    return age is not None and age > seconds


def _as_of(status: Status, number: int) -> float:
    as_of = status.partitions[number].as_of
    assert as_of is not None
    return as_of.timestamp()


async def _is_committed(deployment: Deployment, offset: int) -> bool:
    kafka = deployment.config.kafka
    async with admin_client(deployment.config) as admin:
        committed = await admin.list_consumer_group_offsets(kafka.group_id)
    return bool(committed[TopicPartition(kafka.topic, 0)].offset == offset)
