"""The quick benchmarks: small sizes of three, and which of their ratios fell since they were recorded.

    python -m benchmarks.quick            # compares, and exits with 1 if one fell
    python -m benchmarks.quick --record   # makes what was seen the record

A guard for everyday work, in less than two minutes. It compares ratios only, with those of the same small
sizes, as a time says more about the machine than about the code.
"""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import orjson
import typer

from benchmarks.comparison import FALL, Compared, Ratios, compare, ratios_of
from benchmarks.machine import load_average
from benchmarks.reporting import RESULTS, write_json
from benchmarks.target import Target
from benchmarks.targets import print_targets
from headcount.cli.output import print_table

SIZES: Final[Mapping[str, Sequence[str]]] = {
    "throughput": ("--events=200000", "--rounds=3", "--contestant=worker", "--contestant=consumer"),
    "polling": ("--seconds=1", "--rounds=1"),
    "freshness": ("--rate=1000", "--seconds=3"),
}
RECORD: Final = RESULTS / "quick.json"
BUSY: Final = 1.0


def main(
    *,
    record: Annotated[bool, typer.Option("--record", help="Keep what is seen, for later runs.")] = False,
) -> None:
    """Run the benchmarks in small, and compare their ratios with the record."""
    load = load_average()
    targets = run_all()
    print_targets(targets)
    if record:
        write_json(RECORD, {"load_average": load, "ratios": ratios_of(targets)})
        return
    compared = compare(_recorded(), ratios_of(targets))
    _print(compared, load)
    if any(each.fell for each in compared):
        raise typer.Exit(1)


def run_all() -> list[Target]:
    """Run one benchmark after the other, and return all their targets."""
    with TemporaryDirectory() as folder:
        return [target for name in SIZES for target in _run(name, Path(folder) / f"{name}.json")]


def _run(name: str, output: Path) -> list[Target]:
    command = [sys.executable, "-m", f"benchmarks.{name}", *SIZES[name], f"--output={output}"]
    if subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode:
        typer.echo(f"benchmarks.{name} failed; what it said is above", err=True)
        raise typer.Exit(1)
    return [Target(**target) for target in orjson.loads(output.read_bytes())["targets"]]


def _recorded() -> Ratios:
    if not RECORD.exists():
        typer.echo(f"There is no {RECORD.name} to compare with: --record makes it.", err=True)
        raise typer.Exit(1)
    ratios: dict[str, float] = orjson.loads(RECORD.read_bytes())["ratios"]
    return ratios


def _print(compared: Sequence[Compared], load: float) -> None:
    typer.echo("\nBeside the record:")
    print_table(
        ("ratio", "recorded", "seen", "change", ""),
        [
            (
                each.what,
                _rounded(each.recorded),
                _rounded(each.seen),
                None if each.change is None else f"{each.change:+.0%}",
                f"fell by more than {FALL:.0%}" if each.fell else "",
            )
            for each in compared
        ],
    )
    if load > BUSY:
        typer.echo(
            f"\nThe load average was {load:.2f} at the start: run it again on a machine that is quiet."
        )


def _rounded(ratio: float | None) -> str | None:
    return None if ratio is None else f"{ratio:.2f}"


if __name__ == "__main__":
    typer.run(main)
