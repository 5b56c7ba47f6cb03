"""How answers look on a terminal, in a pipe, and with NO_COLOR or FORCE_COLOR."""

import io
import logging
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from datetime import UTC, datetime

import pytest
import structlog
from typer.testing import CliRunner

from headcount.cli import app
from headcount.cli.output import counted, print_table
from headcount.telemetry.logging import configure_logging

COLUMNS = ("id", "workspace_id", "user_id", "permissions", "created_at", "expires_at", "state")
ROW = (
    "3f2a9c04d1be",
    "developers",
    "alice",
    "view-engagement-dashboard",
    datetime(2026, 3, 4, 12, 30, tzinfo=UTC),
    datetime(2026, 4, 3, 12, 30, tzinfo=UTC),
    "active",
)
PROSE = "a sentence that is longer than what is left of the line, so that it has to wrap somewhere"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")


def shown(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    written = Terminal()
    with redirect_stdout(written):
        print_table(columns, rows)
    return re.sub(r"\x1b\[[0-9;]*m", "", written.getvalue())


@pytest.mark.usefixtures("narrow")
def test_no_value_is_broken_on_a_narrow_terminal() -> None:
    text = shown(COLUMNS, [ROW, ROW])
    assert text.count("2026-03-04T12:30:00Z") == text.count("2026-04-03T12:30:00Z") == 2
    assert text.count("view-engagement-dashboard") == 2
    assert all(len(line) <= 80 for line in text.splitlines())


@pytest.mark.usefixtures("narrow")
def test_a_table_that_fits_has_a_line_a_row() -> None:
    lines = shown(COLUMNS[:3], [ROW[:3]]).splitlines()
    assert [line.split() for line in lines] == [list(COLUMNS[:3]), list(ROW[:3])]


@pytest.mark.usefixtures("narrow")
def test_prose_wraps_next_to_values_that_do_not() -> None:
    lines = shown(("at", "found"), [(ROW[4], PROSE)]).splitlines()
    assert len(lines) > 2
    assert lines[1].startswith("2026-03-04T12:30:00Z")
    assert " ".join(" ".join(lines).split()).endswith("wrap somewhere")


@pytest.mark.parametrize("force", ["", "1"])
def test_a_pipe_gets_tabs_and_nothing_else(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, force: str
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("FORCE_COLOR", force)
    print_table(("at", "by", "found"), [(ROW[4], None, f"{PROSE}\n-> {PROSE}")])
    assert capsys.readouterr().out == f"at\tby\tfound\n2026-03-04T12:30:00Z\t-\t{PROSE} -> {PROSE}\n"


@pytest.fixture
def root_logger() -> Iterator[None]:
    handlers, level = logging.root.handlers, logging.root.level
    yield
    logging.root.handlers = handlers
    logging.root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.usefixtures("root_logger")
@pytest.mark.parametrize(
    ("environ", "terminal", "coloured"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False, False),
    ],
)
def test_log_lines_are_coloured_as_asked(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], *, terminal: bool, coloured: bool
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    written = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    configure_logging("info", "console")
    structlog.get_logger("headcount").info("listening", url="http://127.0.0.1:1")
    assert ("\x1b[" in written.getvalue()) is coloured


@pytest.mark.parametrize(
    "command",
    [
        [], ["rebuild"], ["forget"], ["doctor"], ["status"], ["skip"], ["audit"], ["tokens", "list"],
        ["dead-letters", "redrive"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_flags_are_page_without_a_value(command: list[str]) -> None:
    page = CliRunner(env={"COLUMNS": "100"}).invoke(app, [*command, "--help"])
    assert page.exit_code == 0
    assert "bool" not in page.stdout
    assert re.search(r"--help +-h +Show this message", page.stdout)


@pytest.mark.parametrize(("number", "text"), [(0, "0 events"), (1, "1 event"), (1_234, "1,234 events")])
def test_a_count_agrees_with_its_noun(number: int, text: str) -> None:
    assert counted(number, "event") == text


def test_an_unknown_permission_is_refused_with_those_that_there_are() -> None:
    create = ["tokens", "create", "--workspace", "w", "--user", "u", "--permission", "view-engagement"]
    page = CliRunner(env={"COLUMNS": "300"}).invoke(app, create)
    assert page.exit_code == 2
    assert "unknown permission 'view-engagement'" in page.stderr
    assert "expected view-engagement-dashboard or api-bypass-rate-limit" in page.stderr
