"""`headcount skip` on a Kafka whose log is damaged, and the gaps that it leaves on record."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from embedded import EmbeddedKafka
from headcount.wiring import utc_now
from projector import keys
from projector.checkpoints import read_progress
from tests.support.deployment import Deployment, deployed, event
from tests.support.people import count
from tests.support.servers import Servers
from tests.support.waiting import wait_until


@pytest.fixture
async def kafka(embedded_kafka: Servers[EmbeddedKafka]) -> EmbeddedKafka:
    """A Kafka whose files may be broken."""
    return await embedded_kafka.start()


@pytest.fixture
async def deployment(
    kafka: EmbeddedKafka, topic: str, redis_url: str, redis_client: Redis
) -> AsyncIterator[Deployment]:
    """A deployment on that Kafka."""
    async with deployed(kafka.bootstrap_servers, topic, redis_url) as deployment:
        yield deployment


def damage(kafka: EmbeddedKafka, topic: str, mark: bytes) -> None:
    """Flip a bit in the record of partition 0 that holds the mark."""
    segment = kafka.data_folder / f"{topic}-0" / "00000000000000000000.log"
    content = bytearray(segment.read_bytes())
    content[content.index(mark)] ^= 1
    with segment.open("r+b") as file:  # in place: the broker holds the file open
        file.write(content)


async def test_a_stopped_partition_goes_on_behind_damaged_records(
    deployment: Deployment, kafka: EmbeddedKafka, redis_client: Redis
) -> None:
    """The two before them are counted, the five in the middle are not, and the audit knows."""
    users = ["anna", "bert", *(f"damaged-{number}" for number in range(5)), "carl"]
    await deployment.publish(*map(event, users))
    for number in range(5):
        damage(kafka, deployment.config.kafka.topic, b"damaged-%d" % number)
    async with deployment.worker():
        await wait_until(lambda: stopped_at(redis_client, 2), message="the worker stopped at the damage")
    stopped = await deployment.headcount("status", "--check")
    assert stopped.exit_code == 1
    assert "! The counters don't cover the whole log yet" in stopped.text

    skipped = await deployment.headcount("skip", "--partition", "0", "--yes")
    assert (skipped.exit_code, skipped.stderr) == (0, "")
    assert skipped.text.startswith(f"{deployment.config.kafka.topic}:0 continues at 7.")
    await deployment.count()
    assert await count(redis_client, keys.FIRST.day("acme", utc_now().date())) == 3

    (gap,) = (await deployment.headcount("status", "--json")).json["gaps"]
    assert (gap["cause"], gap["partition"], gap["checkpoint"], gap["beginning"]) == ("skipped", 0, 2, 7)
    assert (await deployment.headcount("gaps", "acknowledge")).text == "Acknowledged 1 gap.\n"
    audited = await deployment.headcount("audit", "--json")
    assert (audited.json["whole"], audited.json["records"]) == (True, 3)

    # What was counted and is damaged since can't be judged by.
    damage(kafka, deployment.config.kafka.topic, b"bert")
    audited = await deployment.headcount("audit")
    assert (audited.exit_code, audited.stdout) == (3, b"")
    place = f"{deployment.config.kafka.topic}:0 can't be read at 1 or later: damaged records"
    assert audited.stderr.startswith(f"headcount: {place}")


async def stopped_at(redis: Redis, checkpoint: int) -> bool:
    return list((await read_progress(redis)).checkpoints.values()).count(checkpoint) == 1  # type: ignore[arg-type]
