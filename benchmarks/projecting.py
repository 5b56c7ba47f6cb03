"""Events on their whole way: published to Kafka, and counted in Redis by one worker."""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from headcount.composition import serve_worker
from headcount.publisher import open_publisher
from headcount.running import running
from headcount.settings import Settings
from headcount.status import Status, read_status
from headcount.topics import create_topics
from ingest.tally import Tally

REFRESH_SECONDS: Final = 0.5
EVENTS_A_TURN: Final = 1_000

Report = Callable[[int], None]
"""Told a number of events: how many are done by now."""


async def publish(settings: Settings, values: Iterable[bytes], published: Report) -> int:
    """Make the topic and publish the values to it; return how many that were, all acknowledged."""
    await create_topics(settings)
    async with open_publisher(settings) as publisher:
        for number, value in enumerate(values):
            await publisher.publish(value)
            if number % EVENTS_A_TURN == 0:
                published(publisher.acknowledged)
        await publisher.flush()
        published(publisher.acknowledged)
        return publisher.acknowledged


async def project(settings: Settings, events: int, counted: Report) -> None:
    """Run one worker until its checkpoints have passed that many events, the whole log."""
    tally = Tally()
    async with running(partial(serve_worker, settings, tally=tally)):
        while not _is_whole(await read_status(settings), events):
            counted(tally.records)
            await asyncio.sleep(REFRESH_SECONDS)
    counted(tally.records)
    if tally.dead_letters:
        raise RuntimeError(f"the worker took events for dead letters: {dict(tally.dead_letters)}")


def _is_whole(status: Status, events: int) -> bool:
    counted = sum(partition.checkpoint or 0 for partition in status.partitions)
    return counted == events and not status.catching_up
