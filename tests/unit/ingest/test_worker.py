"""The worker loop counts events, publishes dead letters and keeps as-of up to date."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from tests.support.fakes_log import NOW, FakeRecord
from tests.support.pipeline import Pipeline, event, no_event, now
from tests.support.virtual_time import wait_until


async def test_events_are_counted_and_other_records_dead_lettered() -> None:
    pipeline = Pipeline()
    records = [
        event("alice"),
        no_event(),
        event("alice"),
        event(""),
        event("bob", workspace_id="other"),
        FakeRecord(),
    ]
    pipeline.log.append(pipeline.partitions[0], *records)
    async with pipeline.worker():
        await pipeline.until_caught_up()
    assert pipeline.users() == {"alice"}
    assert pipeline.users("other") == {"bob"}
    letters = [(letter.record.offset, letter.reason) for letter in pipeline.dead_letters.letters]
    assert letters == [(1, "not-json"), (3, "wrong-form"), (5, "no-value")]
    assert pipeline.stats.records == 6
    assert pipeline.stats.dead_letters == {"not-json": 1, "wrong-form": 1, "no-value": 1}


async def test_an_empty_log_is_caught_up() -> None:
    pipeline = Pipeline(partitions=3)
    async with pipeline.worker():
        await pipeline.until_caught_up()
    assert set(pipeline.stored.checkpoints.values()) == {0}


async def test_as_of_stays_fresh_without_traffic() -> None:
    pipeline = Pipeline()
    async with pipeline.worker():
        await wait_until(lambda: now() > NOW + timedelta(seconds=60))
        (as_of,) = pipeline.stored.as_of.values()
        assert now() - as_of < timedelta(seconds=3)


async def test_what_holds_no_record_does_not_hold_the_checkpoint_back() -> None:
    pipeline = Pipeline()
    pipeline.log.append(pipeline.partitions[0], event("alice"), None, None)
    async with pipeline.worker():
        await pipeline.until_caught_up()
        pipeline.log.append(pipeline.partitions[0], None)
        await pipeline.until_caught_up()
    assert not pipeline.stats.gaps


async def test_batches_that_span_a_compacted_hole_follow_on_each_other() -> None:
    pipeline = Pipeline(poll_records=1)
    pipeline.log.append(pipeline.partitions[0], None, event("alice"), None, None, event("bob"), None)
    async with pipeline.worker():
        await pipeline.until_caught_up()
    assert pipeline.users() == {"alice", "bob"}
    assert pipeline.stats.refused == 0


async def test_a_partition_that_is_added_is_counted_from_its_beginning() -> None:
    pipeline = Pipeline(partitions=1)
    async with pipeline.worker():
        await pipeline.until_caught_up()
        added = pipeline.log.add_partition()
        pipeline.log.append(added, event("alice"))
        pipeline.log.rebalance()
        await wait_until(lambda: pipeline.stored.as_of.keys() == set(pipeline.log.partitions))
    assert pipeline.users() == {"alice"}


async def test_an_assigned_partition_missing_from_the_metadata_is_awaited() -> None:
    pipeline = Pipeline(partitions=2)
    first, second = pipeline.partitions
    pipeline.log.append(first, event("alice"))
    pipeline.log.append(second, event("bob"))
    pipeline.log.hide(second)
    async with pipeline.worker():
        await wait_until(lambda: pipeline.steps.taken.count("checkpoints") > 10)
        pipeline.log.show(second)
        await pipeline.until_caught_up()
    assert pipeline.users() == {"alice", "bob"}


async def test_as_of_is_never_later_than_an_event_that_is_not_counted() -> None:
    """Looked at before every reply of the projection, with traffic all the time."""
    pipeline = Pipeline(partitions=2, poll_records=3)
    claims: list[bool] = []

    async def publish() -> None:
        for partition in pipeline.partitions:
            pipeline.log.append(partition, *[published_now()] * 2)
        await asyncio.sleep(0.01)

    def look() -> None:
        for partition, as_of in pipeline.stored.as_of.items():
            checkpoint = pipeline.stored.checkpoints[partition]
            uncounted, _ = pipeline.log.read(partition, checkpoint, most=1)
            claims.extend(record.timestamp >= int(as_of.timestamp() * 1000) for record in uncounted)

    pipeline.steps.plan("poll", *[publish] * 200)
    pipeline.steps.plan("state done", *[publish] * 200)
    pipeline.steps.plan("apply done", *[look] * 1_000)
    async with pipeline.worker():
        await wait_until(lambda: len(claims) > 100)
        await pipeline.until_caught_up()
    assert all(claims)


def published_now() -> FakeRecord:
    return replace(event("alice"), timestamp=int(now().timestamp() * 1000))
