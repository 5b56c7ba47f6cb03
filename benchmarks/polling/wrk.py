"""wrk, the load generator: how it is called, and what it prints."""

import asyncio
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CONNECTIONS: Final = 32
SCRIPT: Final = Path(__file__).with_name("cycle.lua")
MISSING: Final = "wrk is not installed here; on Debian: apt-get install --no-install-recommends wrk"

_MILLISECONDS: Final[Mapping[str, float]] = {"us": 0.001, "ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}
_total: Final = re.compile(r"^ *(\d+) requests in ([\d.]+)(us|ms|s|m|h),", re.MULTILINE).search
_percentile: Final = re.compile(r"^ *(\d+)% +([\d.]+)(us|ms|s|m|h)$", re.MULTILINE).findall
_rate: Final = re.compile(r"^Requests/sec: +([\d.]+)$", re.MULTILINE).search
_refused: Final = re.compile(r"^ *Non-2xx or 3xx responses: (\d+)$", re.MULTILINE).search
_socket_errors: Final = re.compile(
    r"^ *Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)$", re.MULTILINE
).search


class WrkError(Exception):
    """wrk is not there, or could not do its work."""


@dataclass(frozen=True, slots=True)
class Question:
    """A request: its path with the query, and the headers in addition to those of every request."""

    path: str
    headers: Mapping[str, str]

    def __str__(self) -> str:
        """Write the line that the script of wrk reads."""
        return "\t".join((self.path, *(f"{name}: {value}" for name, value in self.headers.items())))


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What wrk saw; times in milliseconds. `failures` are answers of 400 and more, and broken connections."""

    requests: int
    seconds: float
    requests_per_second: float
    p50: float
    p99: float
    failures: int


def require_wrk() -> None:
    """Raise `WrkError` if wrk can't be called."""
    if shutil.which("wrk") is None:
        raise WrkError(MISSING)


def write_questions(path: Path, questions: Iterable[Question]) -> None:
    """Write the file from which wrk asks."""
    path.write_text("".join(f"{question}\n" for question in questions))


async def ask(port: int, questions: Path, seconds: int) -> Load:
    """Ask the questions of a file in turn, over and over, on one thread; raises `WrkError`."""
    require_wrk()
    wrk = await asyncio.create_subprocess_exec(
        *(
            "wrk",
            "--threads",
            "1",
            "--connections",
            str(CONNECTIONS),
            "--duration",
            f"{seconds}s",
            "--latency",
        ),
        *("--script", str(SCRIPT), f"http://127.0.0.1:{port}/", "--", str(questions)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await wrk.communicate()
    if wrk.returncode:
        raise WrkError(f"wrk failed: {output.decode()}")
    return parse(output.decode())


def parse(output: str) -> Load:
    """Read what wrk prints with `--latency`; raises `WrkError` for anything else."""
    total, rate = _total(output), _rate(output)
    percentiles = {share: float(time) * _MILLISECONDS[unit] for share, time, unit in _percentile(output)}
    if total is None or rate is None or not {"50", "99"} <= percentiles.keys():
        raise WrkError(f"this is not what wrk prints: {output}")
    return Load(
        requests=int(total[1]),
        seconds=float(total[2]) * _MILLISECONDS[total[3]] / 1_000,
        requests_per_second=float(rate[1]),
        p50=percentiles["50"],
        p99=percentiles["99"],
        failures=_failures(output),
    )


def _failures(output: str) -> int:
    """Add up what wrk only prints where there is any."""
    found = (_refused(output), _socket_errors(output))
    return sum(int(number) for numbers in found if numbers for number in numbers.groups())
