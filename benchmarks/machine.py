"""What figures are taken on: the machine, how busy it is, and the versions that matter."""

import os
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from redis.asyncio import Redis

from embedded.jars import KAFKA_VERSION

_LIBRARIES: Final = ("aiohttp", "aiokafka", "msgspec", "redis")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine, and the software of a benchmark on it."""

    cpu: str
    cores: int
    system: str
    versions: dict[str, str]

    def __str__(self) -> str:
        versions = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        return f"{self.cores} cores of {self.cpu}, {self.system}; {versions}"


async def describe(redis: Redis) -> Machine:
    """Describe this machine, and the Redis that is asked."""
    server = await redis.info("server")
    return Machine(
        cpu=_cpu(),
        cores=os.cpu_count() or 0,
        system=f"{platform.system()} {platform.machine()}",
        versions={
            "Python": platform.python_version(),
            "Kafka": KAFKA_VERSION,
            "Valkey": str(server.get("valkey_version", "?")),
            **{name: version(name) for name in _LIBRARIES},
        },
    )


def load_average() -> float:
    """Return the system's load average of the last minute."""
    return os.getloadavg()[0]


def _cpu() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor() or "an unknown processor")
