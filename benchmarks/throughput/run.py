"""One contestant's run, and the stopwatch it is taken with; nothing here but what any Python has.

The contestants' environments differ, so this is all that they share.
"""

import json
import resource
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

KIBIBYTE: Final = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """From the first records in hand to the last: events, seconds, and CPU time (user and system).

    It began at `start` of the system's monotonic clock. `peak_rss_bytes` is the largest memory that the
    process ever had, and `servers_cpu_seconds` what Kafka and Redis took meanwhile.
    """

    start: float
    events: int
    seconds: float
    cpu_seconds: float
    peak_rss_bytes: int
    servers_cpu_seconds: float = 0.0

    @property
    def per_second(self) -> float:
        return self.events / self.seconds

    @property
    def per_cpu_second(self) -> float:
        return self.events / self.cpu_seconds

    def with_servers(self, servers_cpu_seconds: float) -> "Run":
        """Return the same run with what the servers took for it."""
        return replace(self, servers_cpu_seconds=servers_cpu_seconds)

    def print(self) -> None:
        """Hand it to the benchmark, which reads it from stdout."""
        print(json.dumps(asdict(self)))


class Stopwatch:
    """Runs from its making on, over this whole process: all threads, and children that have ended."""

    def __init__(self, events: int) -> None:
        self._events = events
        self._start = time.monotonic(), _cpu_seconds()

    def stop(self, events: int) -> Run:
        """Return what it took from then on; `events` counts from before the start, as at the making."""
        seconds, cpu_seconds = time.monotonic(), _cpu_seconds()
        return Run(
            start=self._start[0],
            events=events - self._events,
            seconds=seconds - self._start[0],
            cpu_seconds=cpu_seconds - self._start[1],
            peak_rss_bytes=peak_rss_bytes(),
        )


def peak_rss_bytes(process: int | None = None) -> int:
    """Return the largest memory of a process, by default of this one."""
    status = Path(f"/proc/{process or 'self'}/status")
    if status.exists():
        # Not the resource usage: on Linux that begins with what the parent had before the exec.
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * KIBIBYTE
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes, where there is no /proc


def _cpu_seconds() -> float:
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
