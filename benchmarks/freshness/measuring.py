"""The measurement of one rate: probes under load, and what the load came to."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import psutil

from benchmarks.footprint import MEGABYTE, cpu_seconds, machine_cpu_seconds
from benchmarks.freshness.latency import Latency
from benchmarks.freshness.probing import Prober, Probes
from benchmarks.freshness.standing import Standing, Standings

WARM_UP_SECONDS: Final = 5.0
SATURATED_SECONDS: Final = 0.5
"""The worker can't keep up if its lag grows by more than what is published in so much time."""
REACHED_SHARE: Final = 0.98
"""A load that comes to less of what was asked for is another load."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One rate: what was asked for and what it came to, in events a second, and how the probes fared.

    `cores` is the CPU time that each process took, by the second; `machine` is what all processes there
    are took, others' too.
    """

    wanted_rate: int
    rate: float
    reached: bool
    saturated: bool
    lag_before: int
    lag_after: int
    latency: Latency
    cores: Mapping[str, float]
    worker_megabytes: float
    probes: Probes


class Measurement:
    """Measures one rate after the other; `processes` are all that take part, but for the publisher."""

    def __init__(self, prober: Prober, standings: Standings, processes: Mapping[str, psutil.Process]) -> None:
        self._prober = prober
        self._standings = standings
        self._processes = processes

    async def measure(
        self, rate: int, publisher: psutil.Process, *, probes_a_second: float, seconds: float
    ) -> Row:
        """Probe while the publisher publishes so many events a second, once it has done so for a moment."""
        processes = {**self._processes, "publisher": publisher}
        await asyncio.sleep(WARM_UP_SECONDS)
        taken = _cpu(processes)
        before = await self._standings.look()
        probes = await self._prober.run(probes_a_second, seconds)
        after = await self._standings.look()
        taken_since = {name: value - taken[name] for name, value in _cpu(processes).items()}
        reached = (after.published - before.published) / (after.at - before.at)
        return Row(
            wanted_rate=rate,
            rate=round(reached),
            reached=reached >= REACHED_SHARE * rate,
            saturated=is_saturated(before, after),
            lag_before=before.lag,
            lag_after=after.lag,
            latency=Latency.of(probes.seconds),
            cores={name: round(value / (after.at - before.at), 3) for name, value in taken_since.items()},
            worker_megabytes=round(processes["worker"].memory_info().rss / MEGABYTE, 1),
            probes=probes,
        )


def is_saturated(before: Standing, after: Standing) -> bool:
    """Tell whether a worker could not keep up with what was published between two looks."""
    rate = (after.published - before.published) / (after.at - before.at)
    return after.lag - before.lag > SATURATED_SECONDS * rate


def _cpu(processes: Mapping[str, psutil.Process]) -> dict[str, float]:
    taken = {name: cpu_seconds(process) for name, process in processes.items()}
    return taken | {"machine": machine_cpu_seconds()}
