"""Input that is bad, large or late, in any share: nothing of it holds up what is good."""

import hashlib
import random
from datetime import timedelta
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from headcount.clients import kafka_options
from headcount.preflight.connections import admin_client
from headcount.wiring import utc_now
from ingest.kafka.dead_letters import ABRIDGED_BYTES, DEAD_LETTER_SUFFIX
from tests.faults.activity import Draft, event, poison
from tests.faults.drill import Drill
from tests.faults.load import Load
from tests.faults.oracle import read_log
from tests.faults.plant import Plant
from tests.support.waiting import wait_until

MEGABYTE = 1 << 20
LARGE_BYTES = 10 * MEGABYTE
AHEAD = [timedelta(minutes=6), timedelta(hours=1), *(timedelta(days=days) for days in range(1, 400, 10))]
"""By how much an event may not be ahead: 5 minutes are allowed."""


async def test_one_record_in_a_hundred_is_poison(drill: Drill) -> None:
    async with drill("1 % poison", "of 600 records", poison_share=0.01) as exercise:
        await exercise.flows(records=600)


async def test_every_record_is_poison_for_a_while(drill: Drill) -> None:
    async with drill("100 % poison", "4000 bad records in a burst, good ones between") as exercise:
        burst = Load(
            exercise.plant.config(), small=["w"], big="w", seed=1, poison_share=1.0, records_a_tick=200
        )
        await burst.start()
        await wait_until(lambda: burst.acknowledged >= 4_000, message="the burst was published")
        await burst.stop()


async def test_events_are_of_the_future(drill: Drill) -> None:
    """Of the same people and workspaces as good ones, and none of them is counted."""
    async with drill(
        "events from the future", f"{len(AHEAD)} beside good ones, 6 minutes to a year ahead"
    ) as exercise:
        load = exercise.load
        drafts = [event(load.small[0], "user-0", utc_now() + ahead) for ahead in AHEAD]
        for draft in drafts:
            await load.publish(poison(draft.value), partition=0)
        place = next(each for each in load.poison if each.value == drafts[0].value)
        letter = await _letter(exercise.plant, partition=place.partition, offset=place.offset)
        assert letter.value == drafts[0].value
        assert dict(letter.headers)["headcount-reason"] == b"in-the-future"
        await exercise.flows(records=100)


async def test_events_come_again_in_another_order(drill: Drill) -> None:
    """Days late, and each twice more: a union does not notice."""
    async with drill("duplicates, shuffled and late", "the whole log published again, twice") as exercise:
        plant = exercise.plant
        log = await read_log(plant.config(), plant.topic)
        values = [record.value for records in log.values() for record in records] * 2
        random.Random(exercise.load.big).shuffle(values)
        again = Load(plant.config(), small=["w"], big="w", seed=1, records_a_tick=0)
        await again.start()
        for value in values:
            await again._send(Draft(value), None)
        await again.stop()


async def test_a_record_is_10_mb_large(drill: Drill) -> None:
    async with drill("10 MB record", "published to a topic that takes such") as exercise:
        plant = exercise.plant
        value = random.Random(0).randbytes(LARGE_BYTES)
        offset = await _publish_large(plant, value)
        letter = await _letter(plant, partition=0, offset=offset)
        headers = {name: text.decode() for name, text in letter.headers}
        assert letter.value == value[:ABRIDGED_BYTES]
        assert headers["headcount-reason"] == "too-large"
        assert headers["headcount-value-bytes"] == str(LARGE_BYTES)
        assert headers["headcount-value-sha256"] == hashlib.sha256(value).hexdigest()


async def _publish_large(plant: Plant, value: bytes) -> int:
    """Publish a large record to partition 0, and return its offset."""
    async with admin_client(plant.config()) as admin:
        limit = {"max.message.bytes": str(len(value) + MEGABYTE), "message.timestamp.type": "LogAppendTime"}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, plant.topic, limit)])
    producer = AIOKafkaProducer(max_request_size=2 * len(value), **kafka_options(plant.config()))
    await producer.start()
    try:
        metadata = await producer.send_and_wait(plant.topic, value, partition=0)
    finally:
        await producer.stop()
    offset: int = metadata.offset
    return offset


async def _letter(plant: Plant, *, partition: int, offset: int) -> Any:  # noqa: ANN401 - aiokafka's record
    """Wait for the dead letter of a record."""
    found: list[Any] = []

    async def look() -> bool:
        log = await read_log(plant.config(), plant.topic + DEAD_LETTER_SUFFIX)
        wanted = {"headcount-partition": partition, "headcount-offset": offset}
        for letter in (letter for letters in log.values() for letter in letters):
            headers = dict(letter.headers)
            if all(int(headers[name]) == number for name, number in wanted.items()):
                found.append(letter)
        return bool(found)

    await wait_until(look, deadline_seconds=30, message=f"the record at {offset} had a dead letter")
    return found[0]
