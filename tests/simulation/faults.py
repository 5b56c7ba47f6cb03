"""The faults that there are, by kind."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from tests.simulation import log_faults, server_faults, worker_faults
from tests.simulation.processes import Process
from tests.simulation.world import World

Fault = Callable[[World, Process], str | None]
"""Strikes while a process is at an await; returns what it did, None if it could do nothing."""

FAULTS: Final[Mapping[str, Sequence[Fault]]] = {
    "workers": [
        worker_faults.kill,
        worker_faults.freeze,
        worker_faults.stop,
        worker_faults.start,
        worker_faults.rebalance,
    ],
    "Kafka": [
        server_faults.kafka_away,
        server_faults.kafka_hangs,
        server_faults.kafka_slow,
        server_faults.kafka_lossy,
    ],
    "Redis": [
        server_faults.redis_away,
        server_faults.redis_loads,
        server_faults.redis_hangs,
        server_faults.redis_slow,
        server_faults.redis_lossy,
        server_faults.redis_takes_no_writes,
    ],
    "loss": [server_faults.redis_rolls_back, server_faults.redis_flushed],
    "keys": [server_faults.wrong_type],
    "log": [log_faults.retention, log_faults.truncation, log_faults.recreation],
    "growth": [log_faults.one_more_partition],
    "records": [log_faults.damage, log_faults.transaction],
}
"""By kind; a schedule draws from some kinds only, so that each is also met alone."""
