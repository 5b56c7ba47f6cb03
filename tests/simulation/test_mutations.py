"""Mutations of the core that an early seed must detect: proof that the simulator can fail."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import pytest

from ingest.batch import Partition
from ingest.kafka.source import KafkaSource
from projector import scripts
from tests.simulation import redis_scripts
from tests.simulation.redis_scripts import SCRIPTS, Reply
from tests.simulation.soak import run_schedules
from tests.simulation.store import Store

MOST_SCHEDULES: Final = 200
"""Several times as many as it takes."""


def count_wherever_the_checkpoint_is(patch: pytest.MonkeyPatch) -> None:
    def apply(store: Store, keys: Sequence[bytes], args: Sequence[bytes]) -> Reply:
        partition, _start, *rest = args
        stored = store.hget(keys[0], partition)
        return redis_scripts.apply(store, keys, [partition, stored or b"", *rest])

    patch.setitem(SCRIPTS, scripts.source(scripts.APPLY), apply)


def keep_as_of_in_a_rewind(patch: pytest.MonkeyPatch) -> None:
    def hdel(_store: Store, _key: bytes, _name: bytes) -> None:
        """Leave it."""

    patch.setattr(Store, "hdel", hdel)


def read_on_while_waiting(patch: pytest.MonkeyPatch) -> None:
    def pause(_source: KafkaSource, _partitions: Iterable[Partition]) -> None:
        """Let polls return records during a wait, which drops them."""

    patch.setattr(KafkaSource, "pause", pause)


def answer_with_too_many(patch: pytest.MonkeyPatch) -> None:
    def pfcount(store: Store, key: bytes) -> int:
        return len(store.counters.get(key, ())) + 1_000

    patch.setattr(Store, "pfcount", pfcount)


@pytest.mark.parametrize(
    ("breakage", "message"),
    [
        (answer_with_too_many, "users on"),
        (count_wherever_the_checkpoint_is, "the checkpoint is past it"),
        (keep_as_of_in_a_rewind, "its as-of stays"),
        (read_on_while_waiting, "the checkpoint is past it"),
    ],
)
def test_an_early_schedule_finds_the_breakage(
    breakage: Callable[[pytest.MonkeyPatch], None], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    breakage(monkeypatch)
    assert message in first_failure()


def first_failure() -> str:
    for seed in range(MOST_SCHEDULES):
        if failures := run_schedules([seed]).failures:
            return failures[seed]
    return f"nothing in {MOST_SCHEDULES} schedules"
