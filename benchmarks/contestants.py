"""The contestants of the throughput benchmark, each in a process of its own: the worker, and a bare consumer.

Each reads a topic from its beginning and prints, as JSON, what it took for it: see `Run`.

    python -m benchmarks.contestants worker --kafka HOST:PORT --redis URL --topic TOPIC --events 1000000
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass
from typing import Annotated, Final, Literal

import orjson
import typer
from aiokafka import AIOKafkaConsumer
from pydantic import SecretStr

from benchmarks.hashing import KEY
from headcount.clients import kafka_options
from headcount.composition import serve_worker
from headcount.logging import configure_logging
from headcount.settings import Settings
from ingest.polling import POLL_RECORDS
from ingest.tally import Tally

Contestant = Literal["worker", "consumer"]

LOOK_SECONDS: Final = 0.005
"""How often the worker's tally is looked at: a batch takes longer."""


@dataclass(frozen=True, slots=True)
class Run:
    """From the first records in hand to the last: events, seconds, and CPU time (user and system)."""

    events: int
    seconds: float
    cpu_seconds: float


class Stopwatch:
    """Runs from its making on, over this whole process."""

    def __init__(self, events: int) -> None:
        self._events = events
        self._start = time.monotonic(), time.process_time()

    def stop(self, events: int) -> Run:
        """Return what it took from then on; `events` counts from before the start, as at the making."""
        seconds, cpu_seconds = time.monotonic(), time.process_time()
        return Run(events - self._events, seconds - self._start[0], cpu_seconds - self._start[1])


async def work(settings: Settings, events: int) -> Run:
    """Run the worker as it is."""
    tally, stopping = Tally(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(serve_worker(settings, stopping, tally=tally))
        await _until(lambda: tally.records > 0)
        stopwatch = Stopwatch(tally.records)
        # As at the start, the batch in hand is read and not applied yet: as many are applied as are read.
        await _until(lambda: tally.records >= events)
        run = stopwatch.stop(tally.records)
        stopping.set()
    return run


async def consume(settings: Settings, events: int) -> Run:
    """Read the records and drop them: what aiokafka alone takes, in batches of the worker's size."""
    consumer = AIOKafkaConsumer(
        settings.kafka_topic,
        group_id=settings.kafka_group_id,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        **kafka_options(settings),
    )
    await consumer.start()
    try:
        seen = await _batch(consumer)
        stopwatch = Stopwatch(seen)
        while seen < events:
            seen += await _batch(consumer)
        return stopwatch.stop(seen)
    finally:
        await consumer.stop()


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  a tally is only counted up: it wakes nobody
        await asyncio.sleep(LOOK_SECONDS)


async def _batch(consumer: AIOKafkaConsumer) -> int:
    polled = await consumer.getmany(timeout_ms=1_000, max_records=POLL_RECORDS)
    return sum(map(len, polled.values()))


CONTESTANTS: Final[dict[Contestant, Callable[[Settings, int], Coroutine[None, None, Run]]]] = {
    "worker": work,
    "consumer": consume,
}


def main(
    contestant: Contestant,
    *,
    kafka: Annotated[str, typer.Option()],
    redis: Annotated[str, typer.Option()],
    topic: Annotated[str, typer.Option()],
    group: Annotated[str, typer.Option()],
    events: Annotated[int, typer.Option(min=1)],
) -> None:
    """Take part."""
    configure_logging("error", "console", libraries="critical")
    settings = Settings(
        kafka_bootstrap_servers=kafka,
        kafka_topic=topic,
        kafka_group_id=group,
        redis_url=SecretStr(redis),
        user_id_hash_key=KEY,
    )
    run = asyncio.run(CONTESTANTS[contestant](settings, events))
    typer.echo(orjson.dumps(asdict(run)))


if __name__ == "__main__":
    typer.run(main)
