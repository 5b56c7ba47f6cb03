"""The table of targets: what every benchmark was to reach, and what was seen of it in its recorded run.

python -m benchmarks.targets            # prints it
python -m benchmarks.targets --write    # also writes it into docs/explanation/performance.md
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
import typer

from benchmarks.machine import Machine
from benchmarks.reporting import RESULTS
from benchmarks.target import Target
from headcount.cli.output import print_table

PAGE: Final = Path(__file__).parent.parent / "docs" / "explanation" / "performance.md"
BEGINNING: Final = "<!-- targets: written by python -m benchmarks.targets --write -->"
END: Final = "<!-- end of targets -->"
COLUMNS: Final = ("target", "bound", "seen", "holds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one benchmark recorded of its targets, and where; `name` is the benchmark's."""

    name: str
    machine: Machine
    load_average: float
    targets: Sequence[Target]


def read_results(folder: Path) -> list[Result]:
    """Read the results that have targets."""
    documents = {path.stem: orjson.loads(path.read_bytes()) for path in sorted(folder.glob("*.json"))}
    return [_result(name, document) for name, document in documents.items() if document.get("targets")]


def row(target: Target) -> tuple[str, str, str, str]:
    """Return a target's cells."""
    return (
        target.what,
        f"{target.side} {_number(target.bound)}{_unit(target)}",
        f"{_number(target.seen)}{_unit(target)}",
        "yes" if target.holds else "**no**",
    )


def markdown(results: Iterable[Result]) -> str:
    """Render one table of all results, each with where it was seen."""
    lines = [_line(("benchmark", *COLUMNS)), _line(["---"] * (1 + len(COLUMNS)))]
    machines = []
    for result in results:
        lines += [_line((result.name, *row(target))) for target in result.targets]
        machines.append(
            f"* {result.name}: load average {result.load_average:.2f} at its start; {result.machine}"
        )
    return "\n".join([*lines, "", *machines])


def written_into(page: str, table: str) -> str:
    """Return the page with the table between its marks; raises `ValueError` for a page without them."""
    before, beginning, rest = page.partition(BEGINNING)
    _, end, after = rest.partition(END)
    if not (beginning and end):
        raise ValueError(f"the page lacks the marks {BEGINNING} and {END}")
    return f"{before}{beginning}\n\n{table}\n\n{end}{after}"


def print_targets(targets: Iterable[Target]) -> None:
    """Print the targets of a benchmark with the measured values."""
    print_table(COLUMNS, [(*cells, holds.strip("*")) for *cells, holds in map(row, targets)])


def main(
    *,
    write: Annotated[bool, typer.Option("--write", help="Write the table into the docs.")] = False,
) -> None:
    """Print the table of targets, of the recorded results."""
    table = markdown(read_results(RESULTS))
    typer.echo(table)
    if write:
        PAGE.write_text(written_into(PAGE.read_text(), table))


def _result(name: str, document: Mapping[str, Any]) -> Result:
    return Result(
        name=name,
        machine=Machine(**document["machine"]),
        load_average=document["load_average"],
        targets=[Target(**target) for target in document["targets"]],
    )


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _unit(target: Target) -> str:
    return f" {target.unit}" if target.unit else ""


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


if __name__ == "__main__":
    typer.run(main)
