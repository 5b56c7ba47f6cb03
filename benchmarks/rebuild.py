"""A rebuild under live load and polling: how long it takes, and what is answered meanwhile.

    python -m benchmarks.rebuild --events 5000000

A worker counts all the while, people come at a steady rate, and a view is asked again and again, as the API
does. Wrong is an answer lower than the one before, or higher than the number of people published until then.
"""

import asyncio
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
import typer
from redis.asyncio import Redis

from benchmarks.backlog import Shape, make
from benchmarks.counters import CACHED_COUNT
from benchmarks.machine import Machine, describe, load_average
from benchmarks.projecting import environment_of, project, publish, working
from benchmarks.reporting import RESULTS, write_json
from benchmarks.stage import kept_for_ever, private_servers, shown
from headcount.cli.output import print_table
from headcount.clients import api_redis, worker_redis
from headcount.demo.running import running
from headcount.ops.replay.publisher import open_publisher
from headcount.ops.replay.recording import Activity, encode
from headcount.wiring import Config, utc_now
from projector import keys
from projector.checkpoints import read_progress
from projector.redis.scan import scan_keyspace
from projector.views.daily import RedisView, ViewUnavailableError

WORKSPACE: Final = "workspace-0"
NEWCOMERS: Final = 400
"""How many people the live load is made of: their counter stays exact."""
LOAD_A_SECOND: Final = 2_000
TURNS_A_SECOND: Final = 20


@dataclass(slots=True)
class Poll:
    """What was answered: how often, and the slowest, in seconds."""

    answers: int = 0
    missing: int = 0
    wrong: int = 0
    slowest_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was seen, and on what; `different` names counters of past days that are not equal to the byte."""

    machine: Machine
    load_average: float
    events: int
    live_events: int
    seconds: float
    records_per_second: float
    polled: Poll
    counters: int
    different: list[str]


@dataclass(slots=True)
class Load:
    """The people of today in one workspace, who come again and again."""

    config: Config
    events: int = 0
    seen: set[str] = field(default_factory=set)

    async def run(self, stopping: asyncio.Event) -> None:
        async with open_publisher(self.config) as publisher:
            while not stopping.is_set():
                for _ in range(LOAD_A_SECOND // TURNS_A_SECOND):
                    user_id = f"newcomer-{self.events // 50 % NEWCOMERS}"
                    self.seen.add(user_id)
                    await publisher.publish(encode(Activity(utc_now(), WORKSPACE, user_id), "message"))
                    self.events += 1
                await publisher.flush()
                await asyncio.sleep(1 / TURNS_A_SECOND)


async def poll(view: RedisView, load: Load, found: Poll, stopping: asyncio.Event) -> None:
    """Ask again and again for today, and judge each answer."""
    before = 0
    while not stopping.is_set():
        started = time.monotonic()
        try:
            (users,) = (await view.daily_counts(WORKSPACE, [utc_now().date()])).users
        except ViewUnavailableError:
            found.missing += 1
        else:
            found.answers += 1
            found.wrong += not before <= users <= len(load.seen)
            before = users
        found.slowest_seconds = max(found.slowest_seconds, time.monotonic() - started)
        await asyncio.sleep(1 / TURNS_A_SECOND)


def main(
    *,
    events: Annotated[int, typer.Option(min=20_000, help="How long the log is.")] = 5_000_000,
    output: Annotated[Path, typer.Option(help="Where the figures go as JSON.")] = RESULTS / "rebuild.json",
) -> None:
    """Count a log, rebuild it under load, and show what was answered meanwhile."""
    figures = asyncio.run(_measure(events))
    print_table(
        ("", ""),
        [
            ("events in the log", f"{figures.events:,}"),
            ("live events meanwhile", f"{figures.live_events:,}"),
            ("seconds", f"{figures.seconds:.1f}"),
            ("records/s", f"{figures.records_per_second:,.0f}"),
            ("answers", f"{figures.polled.answers:,}"),
            ("answers missing", figures.polled.missing),
            ("answers wrong", figures.polled.wrong),
            ("slowest answer", f"{figures.polled.slowest_seconds * 1000:.0f} ms"),
            ("counters of past days", f"{figures.counters:,}"),
            ("of them not equal to the byte", len(figures.different)),
        ],
    )
    typer.echo(f"\n{figures.machine}; load average {figures.load_average:.2f}")
    write_json(output, figures)


async def _measure(events: int) -> Figures:
    with shown() as progress:
        async with private_servers(progress) as servers:
            config = kept_for_ever(servers)
            bar = progress.add_task("published", total=events)
            await publish(
                config, make(Shape(events=events), utc_now()), lambda n: progress.update(bar, completed=n)
            )
            bar = progress.add_task("counted", total=events)
            await project(config, events, lambda done: progress.update(bar, completed=done))
            progress.stop()
            async with working(config), worker_redis(config) as redis:
                return await _rebuild_under_load(config, redis, events)


async def _rebuild_under_load(config: Config, redis: Redis, events: int) -> Figures:
    today, load, polled = utc_now(), Load(config), Poll()
    before = await _past_counters(redis, today)
    async with api_redis(config) as client, running(load.run):
        view = RedisView(client)
        async with running(partial(poll, view, load, polled)):
            started = time.monotonic()
            report = await _rebuild(config)
            seconds = time.monotonic() - started
    after = await _past_counters(redis, today)
    return Figures(
        machine=await describe(redis),
        load_average=load_average(),
        events=events,
        live_events=load.events,
        seconds=seconds,
        records_per_second=report["records"] / seconds,
        polled=polled,
        counters=len(before),
        different=sorted(
            name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
        ),
    )


async def _rebuild(config: Config) -> Mapping[str, int]:
    """Run `headcount rebuild`, as an operator does."""
    command = [sys.executable, "-m", "headcount", "rebuild", "--json"]
    environment = {**os.environ, **environment_of(config)}
    child = await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.PIPE)
    output, _ = await child.communicate()
    if child.returncode:
        raise RuntimeError("the rebuild failed; what it said is above")
    report: Mapping[str, int] = orjson.loads(output)
    return report


async def _past_counters(redis: Redis, today: datetime) -> Mapping[str, bytes]:
    """Read the live counters of the days before today, as they are stored."""
    live = keys.ONLY.generation((await read_progress(redis)).generation)
    found: dict[str, bytes] = {}
    async for page in scan_keyspace(redis, live):
        past = [key for key in page if _is_past(live.counter(key), today)]
        found |= {str(live.counter(key)): await _stored(redis, key) for key in past}
    return found


def _is_past(counter: keys.Counter | None, today: datetime) -> bool:
    return counter is not None and isinstance(counter.period, date) and counter.period < today.date()


async def _stored(redis: Redis, key: str) -> bytes:
    if await redis.type(key) == b"set":
        members: Any = redis.smembers(key)
        return b" ".join(sorted(await members))
    counter: Any = await redis.get(key)
    return bytes(counter[: CACHED_COUNT.start] + counter[CACHED_COUNT.stop :])


if __name__ == "__main__":
    typer.run(main)
