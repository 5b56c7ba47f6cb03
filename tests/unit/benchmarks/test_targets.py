"""The table of targets."""

from pathlib import Path

import orjson
import pytest

from benchmarks.machine import Machine
from benchmarks.target import Target
from benchmarks.targets import BEGINNING, END, Result, markdown, read_results, row, written_into

MACHINE = Machine(cpu="a processor", cores=2, system="Linux", versions={"Python": "3.11"})
TARGET = Target(what="worker to consuming", seen=0.5, bound=0.6)


def test_a_ratio_below_its_bound_does_not_hold() -> None:
    assert row(TARGET) == ("worker to consuming", "at least 0.60", "0.50", "**no**")


def test_a_bound_from_above_bears_its_unit() -> None:
    target = Target(what="memory of a worker", seen=90.4, bound=200, unit="MB", side="at most")
    assert row(target) == ("memory of a worker", "at most 200 MB", "90.40 MB", "yes")


def test_the_table_says_what_it_was_seen_on() -> None:
    result = Result(name="throughput", machine=MACHINE, load_average=0.5, targets=[TARGET])
    assert markdown([result]).splitlines() == [
        "| benchmark | target | bound | seen | holds |",
        "| --- | --- | --- | --- | --- |",
        "| throughput | worker to consuming | at least 0.60 | 0.50 | **no** |",
        "",
        "* throughput: load average 0.50 at its start; 2 cores of a processor, Linux; Python 3.11",
    ]


def test_results_without_targets_are_left_out(tmp_path: Path) -> None:
    document = {"machine": MACHINE, "load_average": 0.5, "targets": [TARGET]}
    (tmp_path / "throughput.json").write_bytes(orjson.dumps(document))
    (tmp_path / "memory.json").write_bytes(orjson.dumps({"rows": []}))
    assert read_results(tmp_path) == [
        Result(name="throughput", machine=MACHINE, load_average=0.5, targets=[TARGET])
    ]


def test_the_table_replaces_only_what_is_between_the_marks() -> None:
    page = f"before\n{BEGINNING}\nold\n{END}\nafter\n"
    assert written_into(page, "new") == f"before\n{BEGINNING}\n\nnew\n\n{END}\nafter\n"


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="lacks the marks"):
        written_into("no marks", "new")
