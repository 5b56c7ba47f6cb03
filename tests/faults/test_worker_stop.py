"""Workers are asked to end, at the worst of times: they do so cleanly, and before a supervisor would kill."""

import signal
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from tests.faults.drill import Drill
from tests.faults.exercise import Exercise
from tests.faults.processes import Process
from tests.support.waiting import wait_until

PATIENCE_SECONDS = 10.0
"""How long supervisors tend to wait before they kill."""
STOPS = 2


async def test_a_worker_is_stopped_under_load(drill: Drill) -> None:
    async with drill("worker SIGTERM", "under load, one after the other, started again") as exercise:
        exercise.times = STOPS
        for turn in range(STOPS):
            worker = exercise.plant.workers[turn % 2]
            since = worker.log_size()
            await exercise.flows(records=40)
            await _stop_cleanly([worker])
            worker.start()
            await worker.logged("positioned", since=since)


async def test_workers_are_stopped_while_kafka_hangs(drill: Drill) -> None:
    async with drill(
        "SIGTERM while Kafka hangs", "broker suspended, workers stopped, all resumed"
    ) as exercise:
        plant = exercise.plant
        plant.kafka.suspend()
        try:
            await exercise.watcher.says("200 with an older as-of")
            await _stop_cleanly(plant.workers)
        finally:
            plant.kafka.resume()
        for worker in plant.workers:
            worker.start()


async def test_a_worker_is_stopped_while_it_starts_on_a_kafka_that_hangs(drill: Drill) -> None:
    async with drill(
        "SIGTERM in a start, Kafka hangs", "broker suspended, a worker started and stopped, all resumed"
    ) as exercise:
        plant = exercise.plant
        starting = plant.workers[0]
        await _stop_cleanly([starting])
        plant.kafka.suspend()
        try:
            since = starting.log_size()
            starting.start()
            await starting.logged("waiting", since=since)
            await _stop_cleanly([starting])
        finally:
            plant.kafka.resume()
        starting.start()


async def test_workers_are_stopped_while_redis_is_away(drill: Drill) -> None:
    async with drill("SIGTERM while Redis is away", "stopped, workers stopped, all started") as exercise:
        plant = exercise.plant
        await plant.valkey.stop()
        for worker in plant.workers:
            await worker.logged("waiting")
        await _stop_cleanly(plant.workers)
        await plant.valkey.start()
        for worker in plant.workers:
            worker.start()


async def test_a_worker_is_stopped_in_a_rebalance(drill: Drill) -> None:
    """The rebalance can't end: it waits for a member that is suspended."""
    async with drill("SIGTERM in a rebalance", "one worker suspended, one joining, one stopped") as exercise:
        plant = exercise.plant
        stopped, suspended = plant.workers
        async with _joining(exercise) as joining:
            suspended.send(signal.SIGSTOP)
            try:
                joining.start()
                await wait_until(lambda: _is_rebalancing(exercise), message="a rebalance was under way")
                await _stop_cleanly([stopped])
            finally:
                suspended.send(signal.SIGCONT)
            stopped.start()


@asynccontextmanager
async def _joining(exercise: Exercise) -> AsyncIterator[Process]:
    """Make a worker beside the plant's, and take it away again."""
    joining = exercise.plant.process("worker")
    try:
        yield joining
        await joining.logged("positioned")
        await _stop_cleanly([joining])
    finally:
        joining.kill()


async def _is_rebalancing(exercise: Exercise) -> bool:
    state, _ = await exercise.plant.members()
    return state == "PreparingRebalance"


async def _stop_cleanly(workers: Collection[Process]) -> None:
    for worker in workers:
        worker.send(signal.SIGTERM)
    for worker in workers:
        await worker.ended(deadline_seconds=PATIENCE_SECONDS)
    assert [worker.exit_code for worker in workers] == [0] * len(workers)
