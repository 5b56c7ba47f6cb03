"""The stage of the throughput benchmark: the backlogs in Kafka with their truths, and a contestant's turn."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final

import orjson
from rich.progress import Progress

from benchmarks.backlog import Shape, activities
from benchmarks.people import Counts, count, people_of
from benchmarks.projecting import publish
from benchmarks.stage import with_topic
from benchmarks.throughput.line_up import Contestant
from benchmarks.throughput.outcome import check
from benchmarks.throughput.run import Run
from benchmarks.throughput.servers import watched_servers
from headcount.clients import worker_redis
from headcount.ops.replay.recording import encode
from headcount.wiring import Config, utc_now

TURN_SECONDS: Final = 600.0
"""A contestant that takes longer hangs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """A topic full of events, and how many users each of its days has."""

    config: Config
    shape: Shape
    truth: Counts


async def lay_out(config: Config, shape: Shape, progress: Progress) -> Backlog:
    """Publish the events to a topic of their own."""
    laid = with_topic(config, f"backlog-{shape.events}")
    made = list(activities(shape, utc_now()))
    bar = progress.add_task(f"published to {laid.kafka.topic}", total=shape.events)
    values = (encode(activity, "message") for activity in made)
    await publish(laid, values, lambda done: progress.update(bar, completed=done))
    return Backlog(config=laid, shape=shape, truth=count(people_of(made)))


class Stage:
    """The backlogs that contestants read, each published when it is first asked for."""

    def __init__(self, config: Config, shape: Shape, progress: Progress) -> None:
        self._config = config
        self._shape = shape
        self._progress = progress
        self._laid: dict[int, Backlog] = {}

    async def backlog(self, share: float) -> Backlog:
        """Return the backlog, or one of the same shape that is a share of its length."""
        events = int(self._shape.events * share)
        if events not in self._laid:
            shape = replace(self._shape, events=events)
            self._laid[events] = await lay_out(self._config, shape, self._progress)
        return self._laid[events]


async def take_turn(contestant: Contestant, backlog: Backlog, group: str) -> Run:
    """Let one have its turn, on an empty Redis and in a new group, so that it begins at the beginning."""
    async with worker_redis(backlog.config) as redis:
        await redis.flushdb()
        async with watched_servers() as servers:
            run = await _in_child(contestant, backlog, group)
        await check(redis, contestant.leaves, events=backlog.shape.events, truth=backlog.truth)
    return run.with_servers(servers.between(run.start, run.start + run.seconds))


async def _in_child(contestant: Contestant, backlog: Backlog, group: str) -> Run:
    """Run it as a process of its own: its CPU time is then its alone."""
    arguments = chain.from_iterable(_options(backlog, group).items())
    child = await asyncio.create_subprocess_exec(
        *contestant.command, *arguments, stdout=asyncio.subprocess.PIPE
    )
    try:
        output, _ = await asyncio.wait_for(child.communicate(), TURN_SECONDS)
    finally:
        with suppress(ProcessLookupError):  # it has ended by itself, as it should
            child.kill()
    if child.returncode:
        raise RuntimeError(f"the {contestant.name} failed; what it said is above")
    # Not the whole output: libraries, and the sampler of the profile, have their say on it too.
    return Run(**orjson.loads(next(line for line in output.splitlines() if line.startswith(b"{"))))


def _options(backlog: Backlog, group: str) -> Mapping[str, str]:
    config = backlog.config
    return {
        "--kafka": config.kafka.bootstrap_servers,
        "--redis": config.redis.url,
        "--topic": config.kafka.topic,
        "--group": group,
        "--events": str(backlog.shape.events),
    }
