"""Any text as an option or argument, with no server there: an answer or a sentence, and no traceback."""

import logging
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
import structlog
import typer
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from headcount.cli import app
from headcount.cli.tokens import LONGEST, parse_duration
from headcount.wiring import utc_now
from tests.support.people import KEY

NOWHERE: Final = {
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    "REDIS_URL": "redis://127.0.0.1:1",
    "USER_ID_HASH_KEY": KEY,
}
ANY: Final = "<any>"
COMMANDS: Final = (
    f"verify --workspace {ANY} --days {ANY}",
    f"skip --partition {ANY} --to {ANY} --yes",
    f"dead-letters list --reason {ANY}",
    f"dead-letters list --limit {ANY}",
    f"dead-letters list --since {ANY}",
    f"dead-letters show {ANY}",
    f"dead-letters redrive {ANY} --yes",
    f"tokens create --workspace acme --user {ANY}",
    f"tokens create --workspace {ANY} --user anna --permission {ANY}",
    f"tokens create --workspace acme --user anna --expires-in {ANY}",
    f"tokens revoke {ANY}",
    f"forget --workspace {ANY} --user {ANY} --yes",
    f"forget --workspace acme --user {ANY} --yes",
    f"replay {ANY} --speed {ANY}",
    f"replay RECORDING --type {ANY}",
    f"describe {ANY}",
)
likely = st.sampled_from(
    ["acme", "1", "0:1", "999999d", "36500d", "not-json", "1e309", "nan", "-1", "9" * 400]
)
texts = likely | st.text(st.characters(exclude_characters="\0"), max_size=20)


@pytest.mark.parametrize("command", COMMANDS)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=texts)
@example(text="\udcff")
@example(text="999999d")
@example(text="9" * 400)
def test_any_text_ends_in_a_sentence(command: str, text: str, tmp_path: Path) -> None:
    recording = tmp_path / "one.tsv"
    recording.write_text("2026-01-01T00:00\tacme\tanna\n")
    words = [each.replace(ANY, text).replace("RECORDING", str(recording)) for each in command.split(" ")]
    handlers = logging.root.handlers
    try:
        result = CliRunner(env=NOWHERE).invoke(app, words)
    finally:
        logging.root.handlers = handlers
        structlog.reset_defaults()
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code in {0, 1, 2, 3}
    assert result.output


@given(st.integers(1, 999_999), st.sampled_from("mhd"))
@example(999_999, "d")
def test_any_duration_leads_to_an_instant_or_is_refused(number: int, unit: str) -> None:
    try:
        duration = parse_duration(f"{number}{unit}")
    except typer.BadParameter:
        assert timedelta(**{{"m": "minutes", "h": "hours", "d": "days"}[unit]: number}) > LONGEST
        return
    assert utc_now() - duration < utc_now() < utc_now() + duration
