"""What may happen to workers, to the one at an await just now where there is one."""

from typing import Final

from tests.simulation.processes import Process
from tests.simulation.workers import Member
from tests.simulation.world import World

MOST_WORKERS: Final = 3


def kill(world: World, caller: Process) -> str | None:
    member = _worker_of(world, caller)
    if member is None:
        return None
    member.process.kill()
    world.loop.later(world.chance.random() * 5, lambda: _start_if_few(world))
    return f"kill -9 {member.process.name}"


def freeze(world: World, caller: Process) -> str | None:
    member = _worker_of(world, caller)
    if member is None:
        return None
    seconds = world.chance.choice([0.5, 3.0, 25.0]) * (0.5 + world.chance.random())
    member.process.freeze()
    world.loop.later(seconds, member.process.thaw)
    return f"SIGSTOP {member.process.name} for {seconds:.1f} s"


def stop(world: World, caller: Process) -> str | None:
    member = _worker_of(world, caller)
    if member is None:
        return None
    member.stopping.set()
    world.loop.later(world.chance.random() * 5, lambda: _start_if_few(world))
    return f"SIGTERM {member.process.name}"


def start(world: World, _caller: Process) -> str | None:
    return "one more worker" if _start_if_few(world) else None


def rebalance(world: World, _caller: Process) -> str:
    world.broker.group.rebalance()
    return "rebalance"


def _start_if_few(world: World) -> bool:
    if len(world.workers.alive()) >= MOST_WORKERS:
        return False
    world.workers.start()
    return True


def _worker_of(world: World, caller: Process) -> Member | None:
    """Choose the worker that is at an await just now; any worker if there is none."""
    alive = world.workers.alive()
    if not alive:
        return None
    mine = [member for member in alive if member.process is caller]
    return mine[0] if mine else world.chance.choice(alive)
