"""The soak: every fault that the tests know, at random, for as long as asked."""

import argparse
import asyncio
import importlib
import inspect
import logging
import random
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

from rich.console import Console

from tests.faults.drill import Drill
from tests.faults.plant import Plant
from tests.faults.table import Row, markdown, print_table, summed, write_rows

Fault = Callable[[Drill], Awaitable[None]]


def known_faults() -> list[Fault]:
    """Find every test of this folder that asks for a drill and nothing else."""
    faults: list[Fault] = []
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        if path.stem == "test_oracle":
            continue  # which breaks nothing
        module = importlib.import_module(f"tests.faults.{path.stem}")
        tests = [value for name, value in vars(module).items() if name.startswith("test_")]
        faults += [test for test in tests if [*inspect.signature(test).parameters] == ["drill"]]
    return faults


async def soak(faults: Sequence[Fault], seconds: float, seed: int, rows: list[Row]) -> None:
    """Repeat all faults, each round in another order, until the time is up; the first that fails ends it."""
    order = _shuffled_rounds(faults, random.Random(seed))
    until = time.monotonic() + seconds
    home = Path(tempfile.mkdtemp(prefix="headcount-soak-"))
    print(f"seed {seed}, {len(faults)} faults, logs in {home}")  # noqa: T201 - to repeat and to understand a run
    plant = Plant(home)
    try:
        await plant.start()
        while time.monotonic() < until:
            fault = next(order)
            print(f"{len(rows) + 1}. {fault.__name__}", flush=True)  # noqa: T201 - for who waits
            await fault(Drill(plant, rows, seed=seed))
    finally:
        await plant.close()
    shutil.rmtree(home)


def _shuffled_rounds(faults: Sequence[Fault], chance: random.Random) -> Iterator[Fault]:
    while True:
        yield from chance.sample(faults, len(faults))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--only", default="", help="a part of the names of the faults to take")
    parser.add_argument("--json", type=Path, default=Path("soak.json"))
    parser.add_argument("--markdown", type=Path, help="where to write the table as Markdown")
    return parser.parse_args()


def main() -> None:
    """Soak, and show the table of what was seen, also where a fault failed."""
    arguments = _arguments()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # the load's own, of a Kafka that we took away
    rows: list[Row] = []
    faults = [fault for fault in known_faults() if arguments.only in fault.__name__]
    try:
        asyncio.run(soak(faults, arguments.seconds, arguments.seed, rows))
    finally:
        print_table(summed(rows), Console())
        write_rows(rows, arguments.json)
        if arguments.markdown:
            arguments.markdown.write_text(markdown(summed(rows)))


if __name__ == "__main__":
    main()
