"""The contestants of our own environment, each in a process of its own: the worker, and a bare consumer.

Each reads a topic from its beginning and prints, as JSON, what it took for it: see `Run`.

    python -m benchmarks.throughput.contestants worker --kafka HOST:PORT --redis URL --topic TOPIC ...
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Annotated, Final

import typer
from aiokafka import AIOKafkaConsumer
from pydantic import SecretStr

from benchmarks.hashing import KEY
from benchmarks.throughput.line_up import OurName
from benchmarks.throughput.run import Run, Stopwatch
from headcount.gc_tuning import tune_gc
from headcount.settings import Settings
from headcount.telemetry.logging import configure_logging
from headcount.wiring import Config, configure
from headcount.worker import serve_worker
from ingest.kafka.polling import POLL_RECORDS
from ingest.worker.stats import Stats

LOOK_SECONDS: Final = 0.005
"""How often the worker's tally is looked at: a batch takes longer."""

FASTEST_POLL_RECORDS: Final = 500
"""What the consumer takes at once, at which it is fastest: with more, collecting garbage costs more."""


def work(config: Config, events: int) -> Run:
    """Run the worker as it is."""
    tune_gc()  # as its command does
    return asyncio.run(_work(config, events))


def consume(config: Config, events: int) -> Run:
    """Read the records and drop them: what aiokafka alone takes."""
    return asyncio.run(_consume(config, events, FASTEST_POLL_RECORDS))


def consume_batches(config: Config, events: int) -> Run:
    """Do the same with as many records at once as the worker takes."""
    return asyncio.run(_consume(config, events, POLL_RECORDS))


async def _work(config: Config, events: int) -> Run:
    stats, stopping = Stats(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(serve_worker(config, stopping, stats=stats))
        await _until(lambda: stats.records > 0)
        # What is read and not yet applied is not counted, though it is still to be applied: rather too slow a
        # worker than too fast a one.
        stopwatch = Stopwatch(stats.records)
        await _until(lambda: _applied(stats) >= events)
        run = stopwatch.stop(events)
        stopping.set()
    return run


async def _consume(config: Config, events: int, at_once: int) -> Run:
    consumer = AIOKafkaConsumer(
        config.kafka.topic,
        group_id=config.kafka.group_id,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        bootstrap_servers=config.kafka.bootstrap_servers,  # not `kafka_options`, which patches aiokafka
    )
    await consumer.start()
    try:
        seen = await _batch(consumer, at_once)
        stopwatch = Stopwatch(seen)
        while seen < events:
            seen += await _batch(consumer, at_once)
        return stopwatch.stop(seen)
    finally:
        await consumer.stop()


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  counters: there is no event to wait for
        await asyncio.sleep(LOOK_SECONDS)


def _applied(stats: Stats) -> int:
    return sum(partition.checkpoint or 0 for partition in stats.state.owned.values())


async def _batch(consumer: AIOKafkaConsumer, at_once: int) -> int:
    polled = await consumer.getmany(timeout_ms=1_000, max_records=at_once)
    return sum(map(len, polled.values()))


CONTESTANTS: Final[Mapping[OurName, Callable[[Config, int], Run]]] = {
    "worker": work,
    "consumer": consume,
    "consumer-batches": consume_batches,
}


def main(
    contestant: OurName,
    *,
    kafka: Annotated[str, typer.Option()],
    redis: Annotated[str, typer.Option()],
    topic: Annotated[str, typer.Option()],
    group: Annotated[str, typer.Option()],
    events: Annotated[int, typer.Option(min=1)],
) -> None:
    """Take part."""
    configure_logging("error", "console", libraries="critical")
    config = configure(
        Settings(
            kafka_bootstrap_servers=kafka,
            kafka_topic=topic,
            kafka_group_id=group,
            redis_url=SecretStr(redis),
            user_id_hash_key=KEY,
        )
    )
    CONTESTANTS[contestant](config, events).print()


if __name__ == "__main__":
    typer.run(main)
