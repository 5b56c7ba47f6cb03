"""The statistics of a worker."""

import asyncio
from datetime import timedelta

import pytest

from ingest.events.event import Event
from ingest.worker.stats import AGES_PER_BATCH, Histogram, Stats
from tests.support.fakes_log import NOW
from tests.support.pipeline import Pipeline, event, no_event


def aged(seconds: float) -> Event:
    return Event(workspace_id="acme", occurred_at=NOW - timedelta(seconds=seconds), type="message")


def test_a_value_that_equals_a_bound_is_not_beyond_it() -> None:
    histogram = Histogram([1.0, 2.0])
    for value in (0.5, 1.0, 1.5, 2.0, 2.5):
        histogram.observe(value)
    assert histogram.counts == [2, 2, 1]
    assert histogram.sum == 7.5


def test_every_event_of_a_small_batch_has_its_age_noted() -> None:
    stats = Stats()
    stats.note_batch([aged(0.2), aged(20.0), aged(-3.0)], seconds=0.004, now=NOW)
    assert sum(stats.event_age.counts) == 3
    assert stats.event_age.sum == 20.2  # what is ahead of the clock has no age
    assert sum(stats.apply_seconds.counts) == stats.batches == 1


@pytest.mark.parametrize("events", [17, 100, 4_999, 5_000])
def test_a_large_batch_counts_whole_while_few_of_its_events_are_looked_at(events: int) -> None:
    class Counting(list[Event]):
        looks = 0

        def __getitem__(self, index: object) -> Event:  # type: ignore[override]
            self.looks += 1
            return aged(1.0)

    batch = Counting([aged(1.0)] * events)
    stats = Stats()
    stats.note_batch(batch, seconds=0.1, now=NOW)
    assert sum(stats.event_age.counts) == events
    assert batch.looks <= AGES_PER_BATCH


async def test_a_refresh_is_not_counted_as_a_batch() -> None:
    pipeline = Pipeline()
    pipeline.log.append(pipeline.partitions[0], event("alice"), no_event())
    async with pipeline.worker():
        await pipeline.until_caught_up()
        await asyncio.sleep(30)
    assert pipeline.stats.batches == sum(pipeline.stats.apply_seconds.counts) == 1
    assert sum(pipeline.stats.event_age.counts) == 1


async def test_gaps_are_counted_by_cause() -> None:
    pipeline = Pipeline()
    (partition,) = pipeline.partitions
    pipeline.log.append(partition, *[event("alice")] * 5)
    async with pipeline.worker():
        await pipeline.until_caught_up()
    pipeline.log.append(partition, *[event("alice")] * 5)
    pipeline.log.purge(partition, before=8)
    async with pipeline.worker():
        await pipeline.until_caught_up()
    assert pipeline.stats.gaps == {"retention": 1}
