"""What `headcount run` prints: lines that can be copied, and the flow."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from headcount.demo.screen import Flow, Screen

FLOW = Flow(events=16_358, events_per_second=12.25, lag=3, users_today=41, as_of="2026-03-04T12:30:00.000Z")
UNKNOWN = Flow(events=0, events_per_second=0, lag=None, users_today=None, as_of=None)


@pytest.fixture
def written() -> io.StringIO:
    return io.StringIO()


def screen(written: io.StringIO, *, terminal: bool) -> Screen:
    return Screen(Console(file=written, force_terminal=terminal, width=40))


def test_a_flow_is_one_line() -> None:
    assert str(FLOW) == (
        "12.2 events/s (16,358 since the start)   lag 3   41 people today in developers   "
        "as of 2026-03-04T12:30:00.000Z"
    )
    assert str(UNKNOWN) == "0.0 events/s (0 since the start)   lag ?   ? people today in developers   as of ?"


@pytest.mark.parametrize("terminal", [True, False])
def test_no_line_is_broken_or_changed(written: io.StringIO, *, terminal: bool) -> None:
    line = "curl -s 'http://127.0.0.1:8080/?start=2026-03-04T23:59:59.999Z' [bold] " + "x" * 60
    screen(written, terminal=terminal).say(line)
    assert written.getvalue() == f"{line}\n"


def test_the_block_holds_what_was_given(written: io.StringIO) -> None:
    screen(written, terminal=False).block(
        curl="curl -s URL",
        environment={"REDIS_URL": "redis://r:2/0", "USER_ID_HASH_KEY_FILE": "/my home/key"},
        metrics="http://m:3/metrics",
        run_file=Path("home/run.json"),
    )
    block = written.getvalue()
    assert "\n  curl -s URL\n" in block
    assert "\n  export REDIS_URL=redis://r:2/0 USER_ID_HASH_KEY_FILE='/my home/key'\n" in block
    assert "home/run.json contains the" in block
    assert "\nhttp://m:3/metrics. " in block


def test_a_flow_is_a_line_each_where_there_is_no_terminal(written: io.StringIO) -> None:
    with screen(written, terminal=False).flowing() as show:
        show(FLOW)
        show(UNKNOWN)
    assert written.getvalue() == f"{FLOW}\n{UNKNOWN}\n"


def test_a_flow_overwrites_the_one_before_on_a_terminal(written: io.StringIO) -> None:
    with screen(written, terminal=True).flowing() as show:
        show(FLOW)
        before = len(written.getvalue())
        show(UNKNOWN)
    assert "\x1b[2K" in written.getvalue()[before:]
