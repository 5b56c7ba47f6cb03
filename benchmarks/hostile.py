"""Hostile clients against a real API: what each kind gets, and what an honest client notices of it.

python -m benchmarks.hostile
"""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Final

import orjson
import typer

from benchmarks.exposed import Exposed, exposed
from benchmarks.honest_client import RATE, Served, ask_steadily
from benchmarks.hostile_clients import KINDS
from benchmarks.machine import Machine, describe, load_average
from benchmarks.reporting import RESULTS, write_json

TURNS: Final = 2
QUIET_ATTEMPTS: Final = 5
QUIET_MILLISECONDS: Final = 5.0
"""What is called quiet before a turn of hostility; what happens during it is taken as it comes."""

ENVIRONMENT: Final = {
    "HTTP_HEAD_TIMEOUT_SECONDS": "2",
    "HTTP_KEEP_ALIVE_SECONDS": "2",
    "HTTP_REQUESTS_PER_MINUTE": "1000000",
}
"""Shorter times than by default, to be seen to be kept; and the honest client asks more than people do."""

BOUNDS: Final[Mapping[str, tuple[str, str]]] = {
    "slow heads": ("2 s here, 10 s by default", "HTTP_HEAD_TIMEOUT_SECONDS"),
    "idle connections": ("2 s here, 30 s by default", "HTTP_KEEP_ALIVE_SECONDS"),
    "oversize heads": ("16384 bytes", "HTTP_MAX_HEAD_BYTES"),
    "pipelining flood": ("16 requests", "HTTP_MAX_PIPELINED_REQUESTS"),
    "connection flood": ("100 connections", "HTTP_MAX_CONNECTIONS_PER_ADDRESS"),
    "bodies on GET": ("1024 bytes", "HTTP_MAX_BODY_BYTES"),
    "wrong tokens": ("60 a minute", "HTTP_FAILED_LOGINS_PER_MINUTE"),
}
"""What stands against each kind, and its setting."""

_HEADINGS: Final = (
    "hostile client",
    "limit",
    "setting",
    "honest p50/p99 quiet",
    "honest p99 during",
    "what the hostile got",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One kind of hostile client: how the honest one was served before and meanwhile, and what it got."""

    kind: str
    at_once: int
    quiet: Served
    during: Served
    got: Mapping[str, int]

    def cells(self) -> Sequence[str]:
        """Return the row of the table."""
        limit, setting = BOUNDS[self.kind]
        got = ", ".join(f"{outcome}: {count:,}" for outcome, count in self.got.items())
        unserved = f", {self.during.unserved} unserved" if self.during.unserved else ""
        return (
            f"{self.kind}, {self.at_once} at once",
            limit,
            f"`{setting}`",
            f"{self.quiet.p50:.1f} / {self.quiet.p99:.1f} ms",
            f"{self.during.p99:.1f} ms{unserved}",
            got,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was seen, and on what."""

    machine: Machine
    load_average: float
    honest_requests_a_second: int
    seconds: float
    environment: Mapping[str, str]
    attacks: Sequence[Attack]


def main(
    *,
    seconds: Annotated[float, typer.Option(help="How long each kind is hostile.")] = 6,
    output: Annotated[Path, typer.Option(help="Where the figures go as JSON.")] = RESULTS / "hostile.json",
) -> None:
    """Run each kind of hostile client next to an honest one, and show the results of both."""
    figures = asyncio.run(_measure(seconds))
    _print_row(_HEADINGS)
    _print_row(["---"] * len(_HEADINGS))
    for attack in figures.attacks:
        _print_row(attack.cells())
    typer.echo(f"\n{figures.machine}; load average {figures.load_average:.2f} before")
    write_json(output, asdict(figures))


async def _measure(seconds: float) -> Figures:
    load = load_average()
    async with exposed(ENVIRONMENT) as (api, redis):
        await ask_steadily(api.port, api.headers, 1)  # what is slow only once is no quiet time
        attacks = [await _suffer(kind, api, seconds) for kind in KINDS]
        machine = await describe(redis)
    return Figures(
        machine=machine,
        load_average=load,
        honest_requests_a_second=RATE,
        seconds=seconds,
        environment=ENVIRONMENT,
        attacks=attacks,
    )


async def _suffer(kind: str, api: Exposed, seconds: float) -> Attack:
    quiet: list[float | None] = []
    during: list[float | None] = []
    got: Counter[str] = Counter()
    for _ in range(TURNS):  # in turns, so that what else the machine does falls on both
        quiet += await _quiet(api, seconds / TURNS)
        async with _hostile(kind, api.port, seconds / TURNS, got):
            during += await ask_steadily(api.port, api.headers, seconds / TURNS)
    return Attack(
        kind=kind,
        at_once=KINDS[kind].at_once,
        quiet=Served.of(quiet),
        during=Served.of(during),
        got=dict(got.most_common()),
    )


async def _quiet(api: Exposed, seconds: float) -> Sequence[float | None]:
    """Measure without hostile clients, repeated while other processes keep the machine busy."""
    times: Sequence[float | None] = []
    for _ in range(QUIET_ATTEMPTS):
        times = await ask_steadily(api.port, api.headers, seconds)
        if Served.of(times).p99 <= QUIET_MILLISECONDS:
            break
    return times


@asynccontextmanager
async def _hostile(kind: str, port: int, seconds: float, got: Counter[str]) -> AsyncIterator[None]:
    # In another process: time that the hostile clients spend in this one would pass for the server's.
    hostile = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "benchmarks.hostile_clients", kind, str(port), str(seconds)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert hostile.stdout is not None  # noqa: S101  it is a pipe
    await hostile.stdout.readline()  # it has started
    yield
    told, _ = await hostile.communicate()
    got.update(orjson.loads(told))


def _print_row(cells: Sequence[str]) -> None:
    typer.echo(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    typer.run(main)
