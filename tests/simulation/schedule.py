"""One schedule: what a seed makes of the world, from its start to the verdict."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tests.simulation.faults import FAULTS, Fault
from tests.simulation.kafka_clients import fake_kafka
from tests.simulation.loop import StuckError
from tests.simulation.strikes import Strikes
from tests.simulation.trace import log_lines_noted
from tests.simulation.verdict import check_end, is_caught_up, lag
from tests.simulation.world import World

RECOVERY_SECONDS: Final = 90.0
"""Virtual seconds after the last fault within which all must be exact again."""
LATE_SECONDS: Final = 25.0
"""For how long after the last fault a frozen worker may stay so."""
LOOK_SECONDS: Final = 0.25
NUMBERS_OF_KINDS: Final = (1, 2, 2, 3, 4, len(FAULTS))
"""Mostly few: where all kinds strike, two that must meet in a certain order rarely do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a seed decides beforehand. Few kinds of fault at a time let each be met alone, too."""

    partitions: int
    workers: int
    seconds: float
    pause: float
    poll_records: int
    kinds: Sequence[str]
    rate: float

    def faults(self) -> Sequence[Fault]:
        return [fault for kind in self.kinds for fault in FAULTS[kind]]


def make_plan(chance: random.Random) -> Plan:
    return Plan(
        partitions=chance.randint(1, 3),
        workers=chance.randint(1, 3),
        seconds=chance.uniform(2.0, 8.0),
        pause=chance.choice([0.1, 0.3, 1.0, 5.0, 20.0]),
        poll_records=chance.choice([1, 3, 50]),
        kinds=chance.sample(sorted(FAULTS), k=chance.choice(NUMBERS_OF_KINDS)),
        rate=chance.choice([0.005, 0.02, 0.05]),
    )


def run_schedule(seed: int, note: Callable[[str], None] | None = None) -> Sequence[str]:
    """Return the faults that struck; raises `BrokenPromiseError`, `StuckError` or what ended a worker."""
    chance = random.Random(seed)
    plan = make_plan(chance)
    world = World(chance, partitions=plan.partitions, note=note)
    strikes = Strikes(world, chance, plan.faults(), plan.rate)
    before = random.getstate()
    random.seed(seed)  # how long a patient step waits is drawn from there
    try:
        with fake_kafka(chance, poll_records=plan.poll_records), log_lines_noted(note):
            world.loop.run(_run(world, plan, strikes))
    finally:
        strikes.end()
        world.note = None
        with log_lines_noted(None):
            world.loop.finish()
        random.setstate(before)
    return strikes.struck


async def _run(world: World, plan: Plan, strikes: Strikes) -> None:
    world.say(f"{plan}")
    for _ in range(world.chance.randrange(4)):
        world.publish(world.chance.choice(world.broker.numbers()))
    for _ in range(plan.workers):
        world.workers.start()
    publishing = asyncio.create_task(world.keep_publishing(plan.pause))
    _, asking = world.loop.spawn("api", world.keep_asking())
    asking.add_done_callback(world.loop.fail_with)
    strikes.begin()
    await asyncio.sleep(plan.seconds)
    strikes.end()
    publishing.cancel()
    await _recover(world)


async def _recover(world: World) -> None:
    """End all faults, and see everything exact again; then once more, with what is published after that."""
    world.say("*** no more faults")
    _end_faults(world)
    await _until_caught_up(world)
    await asyncio.sleep(world.chance.random())
    world.blocked.clear()
    for number in world.broker.numbers():
        world.publish(number)
    await _until_caught_up(world)
    check_end(world.broker, world.oracle, world.now(), is_log_whole=world.is_log_whole)


def _end_faults(world: World) -> None:
    world.to_kafka.calm()
    world.to_redis.calm()
    world.redis.no_writes = None
    world.redis.repair()
    world.broker.repair()
    for member in world.workers.alive():
        late = world.chance.choice([0.0, LATE_SECONDS]) * world.chance.random()
        world.loop.later(late, member.process.thaw)
    if not world.workers.staying():
        world.workers.start()


async def _until_caught_up(world: World) -> None:
    since = world.loop.time()
    while not is_caught_up(world.broker, world.oracle.stored, since) or _is_anybody_frozen(world):
        if world.loop.time() > since + RECOVERY_SECONDS:
            raise StuckError(
                f"not exact after {RECOVERY_SECONDS:g} s: {lag(world.broker, world.oracle.stored)}"
            )
        await asyncio.sleep(LOOK_SECONDS)


def _is_anybody_frozen(world: World) -> bool:
    return len(world.workers.alive()) > len(world.workers.running())
