"""The simulator's scheduler: processes that share nothing but time."""

import asyncio
import random
from collections.abc import Iterator

import pytest

from tests.simulation.loop import SimulatedLoop, StuckError


@pytest.fixture
def loop() -> Iterator[SimulatedLoop]:
    simulated = SimulatedLoop(random.Random(0))
    yield simulated
    simulated.finish()


async def ticks(seen: list[float]) -> None:
    while True:
        await asyncio.sleep(1)
        seen.append(asyncio.get_running_loop().time())


def test_time_jumps_to_the_next_timer(loop: SimulatedLoop) -> None:
    loop.run(asyncio.sleep(3_600))
    assert loop.time() == 3_600


def test_a_frozen_process_takes_up_late_what_came_meanwhile(loop: SimulatedLoop) -> None:
    seen: list[float] = []
    process, _ = loop.spawn("ticking", ticks(seen))
    loop.later(1.5, process.freeze)
    loop.later(10, process.thaw)
    loop.run(asyncio.sleep(11.5))
    assert seen == [1, 10, 11]


def test_a_killed_process_runs_no_more(loop: SimulatedLoop) -> None:
    seen: list[float] = []
    process, task = loop.spawn("ticking", ticks(seen))
    loop.later(2.5, process.kill)
    loop.run(asyncio.sleep(10))
    assert seen == [1, 2]
    assert not task.done()


def test_callbacks_of_one_process_keep_their_order(loop: SimulatedLoop) -> None:
    seen: list[int] = []

    async def main() -> None:
        for number in range(100):
            asyncio.get_running_loop().call_soon(seen.append, number)
        await asyncio.sleep(1)

    loop.run(main())
    assert seen == list(range(100))


def test_processes_run_in_another_order_for_another_seed() -> None:
    assert len({interleaving(seed) for seed in range(20)}) > 1


def test_processes_run_in_the_same_order_for_the_same_seed() -> None:
    assert len({interleaving(7) for _ in range(5)}) == 1


def interleaving(seed: int) -> str:
    """Return in which order three processes take five turns each."""
    loop = SimulatedLoop(random.Random(seed))
    seen: list[str] = []

    async def turns(name: str) -> None:
        for _ in range(5):
            seen.append(name)
            await asyncio.sleep(0)

    for name in "abc":
        loop.spawn(name, turns(name))
    loop.run(asyncio.sleep(1))
    loop.finish()
    return "".join(seen)


def test_a_failure_ends_the_run_at_once(loop: SimulatedLoop) -> None:
    loop.later(1, lambda: loop.fail(ValueError("broken")))
    with pytest.raises(ValueError, match="broken"):
        loop.run(asyncio.sleep(10))
    assert loop.time() == 1


def test_a_callback_that_raises_is_a_failure(loop: SimulatedLoop) -> None:
    loop.later(1, lambda: int("nothing"))
    with pytest.raises(ValueError, match="nothing"):
        loop.run(asyncio.sleep(10))


def test_a_deadlock_is_found(loop: SimulatedLoop) -> None:

    async def wait_for_ever() -> None:
        await asyncio.Event().wait()

    with pytest.raises(StuckError, match="deadlock"):
        loop.run(wait_for_ever())
