"""From an event published to an answer that has it, at several rates of load.

    python -m benchmarks.freshness --seconds 30

Kafka, Valkey, worker, API and publisher are processes of their own and share the machine; this one is the
viewers. See `benchmarks.freshness.probing` for what is timed.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import aiohttp
import psutil
import typer
from aiokafka import AIOKafkaProducer

from benchmarks.footprint import embedded_server
from benchmarks.freshness.cast import answering, load, make_viewers, ready
from benchmarks.freshness.measuring import Measurement, Row
from benchmarks.freshness.probing import Prober
from benchmarks.freshness.standing import Standings, open_standings
from benchmarks.machine import Machine, describe, load_average
from benchmarks.projecting import working
from benchmarks.reporting import RESULTS, write_json
from benchmarks.stage import private_servers, shown
from benchmarks.target import Target
from headcount.cli.output import print_table
from headcount.clients import kafka_options, worker_redis
from headcount.preflight.connections import create_topics
from headcount.wiring import Config

RATES: Final = (1_000, 50_000, 100_000)
BOUND_MILLISECONDS: Final = 500.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was seen, and on what. A rate at which the worker was saturated has no target."""

    machine: Machine
    load_average: float
    probes_a_second: float
    seconds: float
    rows: Sequence[Row]
    targets: Sequence[Target]


def main(
    *,
    rate: Annotated[list[int] | None, typer.Option(min=1, help="Events/s; may come several times.")] = None,
    seconds: Annotated[float, typer.Option(min=1, help="How long each rate is probed.")] = 30.0,
    probes: Annotated[float, typer.Option(min=0.1, help="How many probes a second.")] = 15.0,
    output: Annotated[Path, typer.Option(help="Where the figures go as JSON.")] = RESULTS / "freshness.json",
) -> None:
    """Probe how fresh answers are while a load is counted, and show it with the cost of the load."""
    busy = load_average()
    machine, rows = asyncio.run(_measure(rate or RATES, seconds, probes))
    figures = Figures(
        machine=machine,
        load_average=busy,
        probes_a_second=probes,
        seconds=seconds,
        rows=rows,
        targets=[_target(row) for row in rows if not row.saturated],
    )
    _print(figures)
    write_json(output, figures)


async def _measure(rates: Sequence[int], seconds: float, probes: float) -> tuple[Machine, list[Row]]:
    with shown() as progress:
        async with private_servers(progress) as config, worker_redis(config) as redis:
            async with _stage(config) as (measurement, standings):
                rows = []
                for rate in progress.track(rates, description="rates"):
                    async with load(config, rate) as publisher:
                        row = await measurement.measure(
                            rate, publisher, probes_a_second=probes, seconds=seconds
                        )
                    rows.append(row)
                    await standings.drained()
            return await describe(redis), rows


@asynccontextmanager
async def _stage(config: Config) -> AsyncIterator[tuple[Measurement, Standings]]:
    """Start all that takes part but the load, and wait until numbers are answered."""
    await create_topics(config)
    viewers = await make_viewers(config)
    async with AsyncExitStack() as stack:
        worker = await stack.enter_async_context(working(config))
        api = await stack.enter_async_context(answering(config))
        session = aiohttp.ClientSession(f"http://127.0.0.1:{api.port}")
        await stack.enter_async_context(session)
        await ready(session)
        producer = AIOKafkaProducer(acks="all", **kafka_options(config))
        await stack.enter_async_context(producer)
        standings = await stack.enter_async_context(open_standings(config))
        prober = Prober(producer, config.kafka.topic, session, viewers)
        yield Measurement(prober, standings, _processes(worker.pid, api.process)), standings


def _processes(worker: int, api: int) -> Mapping[str, psutil.Process]:
    return {
        "worker": psutil.Process(worker),
        "api": psutil.Process(api),
        "kafka": embedded_server("kafka"),
        "valkey": embedded_server("valkey"),
        "viewers": psutil.Process(),
    }


def _target(row: Row) -> Target:
    return Target(
        what=f"event to answer, p99 at {row.rate:,} events/s",
        seen=row.latency.p99,
        bound=BOUND_MILLISECONDS,
        unit="ms",
        side="at most",
    )


def _print(figures: Figures) -> None:
    print_table(
        ("asked for", "events/s", "worker", "lag", "probes", "p50", "p99", "max, ms"),
        [
            (
                f"{row.wanted_rate:,}",
                f"{row.rate:,}" if row.reached else f"only {row.rate:,}",
                "saturated" if row.saturated else "kept up",
                f"{row.lag_before:,} to {row.lag_after:,}",
                len(row.probes.seconds),
                row.latency.p50,
                row.latency.p99,
                row.latency.max,
            )
            for row in figures.rows
        ],
    )
    for row in figures.rows:
        typer.echo(_remark(row))
    names = tuple(figures.rows[0].cores)
    typer.echo("\nCores taken:")
    print_table(
        ("events/s", *names),
        [(f"{row.rate:,}", *(f"{row.cores[name]:.2f}" for name in names)) for row in figures.rows],
    )
    typer.echo(f"\n{figures.machine}; load average {figures.load_average:.2f}")


def _remark(row: Row) -> str:
    probes = row.probes
    return (
        f"at {row.rate:,} events/s: {probes.polls:,} polls; probes given up {probes.unanswered}, "
        f"not begun {probes.late}, answered with too many people {probes.wrong}"
    )


if __name__ == "__main__":
    typer.run(main)
