"""The doctor on what Redis keeps: on disk, and in memory."""

from datetime import timedelta
from typing import Any

import pytest

from headcount.ops.doctor.finding import Judgement, Verdict
from headcount.ops.doctor.persistence import MEGABYTE, check_fragmentation, check_memory, check_persistence
from headcount.ops.doctor.server import check_replay
from tests.support.doctor_facts import NOW, OPTIONS, memory, persistence, server


def judge(fsync: str = "everysec", save: str = "", **changes: Any) -> Judgement:  # noqa: ANN401 - any field
    options = {**OPTIONS, "appendfsync": fsync, "save": save}
    return check_persistence(((persistence(**changes), options), NOW))


@pytest.mark.parametrize(
    ("fsync", "verdict", "loss"),
    [
        ("always", "ok", "nothing that was acknowledged"),
        ("everysec", "ok", "about the last second"),
        ("no", "warning", "often 30 seconds"),
    ],
)
def test_an_append_only_file_loses_what_its_policy_lets_it(fsync: str, verdict: Verdict, loss: str) -> None:
    found = judge(fsync)
    assert found.verdict == verdict
    assert loss in found.found


def test_snapshots_alone_lose_what_came_since_the_last() -> None:
    saved_at = NOW - timedelta(minutes=42)
    found = judge(save="3600 1", appends=False, unsaved_changes=1_234, saved_at=saved_at)
    assert found.verdict == "warning"
    assert "1,234 changes, the last 42 minutes" in found.found
    assert "counted again from the log" in found.found


def test_nothing_on_disk_is_a_warning_since_tokens_are_in_no_log() -> None:
    found = judge(appends=False)
    assert found.verdict == "warning"
    assert "tokens" in found.found


def test_a_write_to_disk_that_failed_is_a_problem() -> None:
    assert judge(append_works=False).verdict == "problem"
    assert judge(snapshot_works=False).verdict == "problem"


@pytest.mark.parametrize(
    ("used", "verdict"),
    [(0, "ok"), (79, "ok"), (80, "warning"), (94, "warning"), (95, "problem"), (101, "problem")],
)
def test_memory_is_compared_with_its_limit(used: int, verdict: Verdict) -> None:
    assert check_memory(memory(used=used * 1_000_000, limit=100_000_000)).verdict == verdict


@pytest.mark.parametrize(
    ("used", "machine", "verdict"),
    [(50, 100, "warning"), (51, 100, "problem"), (51, 0, "warning")],
)
def test_without_a_limit_memory_is_compared_with_the_machines(
    used: int, machine: int, verdict: Verdict
) -> None:
    assert check_memory(memory(used=used, limit=0, machine=machine)).verdict == verdict


@pytest.mark.parametrize(
    ("used", "resident", "verdict"),
    [
        (1, 99, "ok"),  # of little, the ratio says nothing
        (300, 450, "ok"),
        (300, 451, "warning"),
        (2_000, 2_200, "ok"),
        (300, 200, "ok"),
        (300, 199, "warning"),
    ],
)
def test_memory_that_is_wasted_or_swapped_out_is_reported(used: int, resident: int, verdict: Verdict) -> None:
    facts = memory(used=used * MEGABYTE, resident=resident * MEGABYTE)
    assert check_fragmentation(facts).verdict == verdict


@pytest.mark.parametrize(
    ("lacks_rights", "appends", "name", "verdict"),
    [
        (True, True, "Redis 7.0.15", "problem"),
        (True, True, "Valkey 9.1.2", "warning"),
        (True, False, "Redis 7.0.15", "ok"),
        (False, True, "Redis 7.0.15", "ok"),
    ],
)
def test_a_default_user_without_rights_loses_the_append_only_file(
    name: str, verdict: str, *, lacks_rights: bool, appends: bool
) -> None:
    found = check_replay((lacks_rights, server(name=name, persistence=persistence(appends=appends))))
    assert found.verdict == verdict
    assert verdict == "ok" or "default off ~* &* +@all" in str(found.advice)
