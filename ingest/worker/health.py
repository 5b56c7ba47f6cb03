"""Whether a worker makes progress, and what keeps its partitions from being counted."""

from collections.abc import Iterator, Mapping
from typing import Final

from ingest.batch import Partition
from ingest.worker.state import PartitionState, WorkerState

OK: Final = "ok"


def stalls(state: WorkerState, *, now: float, retry: float) -> list[str]:
    """Say what stood still for longer than `patience`, in seconds; empty while a restart would not help.

    `now` is the event loop's clock. Kafka or Redis being away is no stall, nor is a partition that waits for
    an operator or has no leader: a restart would not help.
    """
    return [*_hangs(state, now - retry), *_idlers(state, now - retry)]


def is_ready(state: WorkerState) -> bool:
    """Tell whether everything the worker owns is counted as it comes; it may own nothing."""
    if state.partitions is None or state.is_waiting:
        return False
    return all(standing == OK for standing in standings(state).values())


def standings(state: WorkerState) -> Mapping[Partition, str]:
    """Say of each partition owned what is wrong with it."""
    return {partition: _standing(owned) for partition, owned in sorted(state.owned.items())}


def _standing(state: PartitionState) -> str:
    if state.stopped is not None:
        return f"stopped: {state.stopped}"
    if state.unavailable is not None:
        return f"unavailable: {state.unavailable}"
    if state.checkpoint is None:
        return "no place yet: the checkpoint is being looked up"
    if state.as_of is None:
        left = "offsets" if state.lag is None else f"{state.lag:,} offsets"
        return f"catching up: {left} to go; the API answers 503 until then"
    return OK


def _hangs(state: WorkerState, horizon: float) -> Iterator[str]:
    if state.turned_at is not None and state.turned_at < horizon:
        yield "the worker's loop hangs"
    if state.watched_at is not None and state.watched_at < horizon:
        yield "the watch over the log's ends hangs"


def _idlers(state: WorkerState, horizon: float) -> Iterator[str]:
    if state.is_waiting:
        return
    for partition, owned in sorted(state.owned.items()):
        can_progress = owned.stopped is None and owned.unavailable is None
        if can_progress and owned.progressed_at < horizon:
            lag = "an unknown lag" if owned.lag is None else f"a lag of {owned.lag:,}"
            yield f"{partition} makes no progress, with {lag}"
