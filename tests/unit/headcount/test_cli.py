"""The command line without servers: its help, its usage errors, and one sentence where something is amiss."""

import errno
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

import pytest
import typer
from aiokafka.errors import KafkaConnectionError
from redis.exceptions import BusyLoadingError
from typer.testing import CliRunner, Result

from headcount.cli import app
from headcount.cli.execution import sentence_of
from headcount.cli.tokens import parse_duration
from ingest.errors import OperatorError, UnavailableError
from tests.support.people import KEY
from tests.support.waiting import scaled

COMMANDS = [
    "doctor",
    "run",
    "services",
    "worker",
    "api",
    "replay",
    "status",
    "tokens",
    "audit",
    "skip",
    "gaps",
]
NOWHERE = {
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    "REDIS_URL": "redis://:hunter2@127.0.0.1:1/0",
    "WORKER_METRICS_PORT": "0",
    "API_METRICS_PORT": "0",
    "USER_ID_HASH_KEY": KEY,
}
TOKEN = ["tokens", "create", "--workspace", "developers", "--user", "alice"]


def call(*arguments: str, environ: Mapping[str, str] = NOWHERE) -> Result:
    return CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1"} | dict(environ)).invoke(app, arguments)


@pytest.fixture
def recording(tmp_path: Path) -> str:
    path = tmp_path / "recording.tsv"
    path.write_text("2012-01-01T01:25\tcss\tfK\n")
    return str(path)


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def test_without_a_command_it_shows_what_there_is() -> None:
    shown = call("--help").output
    assert all(f"│ {command} " in shown for command in COMMANDS)
    assert "docs/reference/settings.md" in shown


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_a_help_with_an_example(command: str) -> None:
    result = call(command, "--help")
    assert result.exit_code == 0
    assert "Example: " in result.output
    assert f"headcount {command}" in result.output


def test_it_prints_its_version() -> None:
    assert call("--version").output == f"headcount {version('headcount')}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["launch"],
        ["replay"],
        ["replay", "recording.tsv", "--speed", "0"],
        ["tokens", "create", "--user", "alice"],
        [*TOKEN, "--expires-in", "soon"],
        ["tokens", "create", "--workspace", "a:b", "--user", "alice"],
        ["tokens", "create", "--workspace", "developers", "--user", ""],
        ["status", "extra"],
        ["api", "--processes", "0"],
        ["api", "--processes", "65"],
    ],
)
def test_a_wrong_usage_is_told_with_exit_code_2(arguments: list[str]) -> None:
    result = call(*arguments)
    assert result.exit_code == 2
    assert "Error" in result.stderr


@pytest.mark.parametrize("command", ["run", "services", "worker", "api", "status"])
def test_a_wrong_setting_stops_the_start_with_one_sentence(command: str) -> None:
    result = call(command, environ={"HTTP_PORT": "http"})
    assert result.exit_code == 1
    assert result.stderr == (
        "headcount: Invalid HTTP_PORT='http': expected a port, 0 to 65535; 0 for any free port.\n"
    )
    assert result.stdout == ""


@pytest.mark.parametrize("arguments", [["status"], TOKEN, ["tokens", "list"], ["tokens", "revoke", "3f2a"]])
def test_a_server_that_is_away_is_told_in_one_sentence(arguments: list[str]) -> None:
    result = call(*arguments)
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("headcount: ")
    assert "127.0.0.1:1" in line
    assert "hunter2" not in result.output


def test_a_replay_to_nowhere_is_told_in_one_sentence(recording: str) -> None:
    result = call("replay", recording)
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("headcount: Kafka at 127.0.0.1:1 does not answer")


def test_a_recording_that_is_none_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "recording.tsv"
    path.write_text("no activity\n")
    result = call("replay", str(path))
    assert result.exit_code == 1
    assert result.stderr.startswith(f"headcount: {path}:1 is not of the form ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_worker_that_waits_for_its_servers_ends_cleanly_when_it_is_told_to(number: signal.Signals) -> None:
    worker = subprocess.Popen(
        [sys.executable, "-m", "headcount", "worker"], env=os.environ | NOWHERE, stderr=subprocess.PIPE
    )
    with worker:
        assert worker.stderr is not None
        assert any(b"waiting" in line for line in worker.stderr)
        worker.send_signal(number)
        assert worker.wait(scaled(10)) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_watched_status_is_shown_until_it_is_stopped(number: signal.Signals) -> None:
    watching = subprocess.Popen(
        [sys.executable, "-m", "headcount", "status", "--watch"],
        env=os.environ | NOWHERE,
        stderr=subprocess.PIPE,
    )
    with watching:
        assert watching.stderr is not None
        for _ in range(2):  # a Kafka that is away ends no watch
            assert watching.stderr.readline().startswith(b"headcount: Kafka at 127.0.0.1:1 ")
        watching.send_signal(number)
        assert watching.wait(scaled(10)) == 0
        assert b"Traceback" not in watching.stderr.read()


def test_a_quiet_doctor_shows_only_what_is_not_ok() -> None:
    environ = NOWHERE | {"TRUSTED_PROXIES": "0.0.0.0/0"}
    verdicts = json.loads(call("doctor", "--json", environ=environ).stdout)
    quiet = json.loads(call("doctor", "--quiet", "--json", environ=environ).stdout)
    assert {"ok", "problem"} <= {finding["verdict"] for finding in verdicts["findings"]}
    assert quiet["counts"] == verdicts["counts"]
    assert [each["check"] for each in quiet["findings"]] == [
        each["check"] for each in verdicts["findings"] if each["verdict"] != "ok"
    ]
    shown = call("doctor", "-q", environ=environ)
    assert shown.exit_code == 1
    assert not [line for line in shown.stdout.splitlines() if line.startswith("ok\t")]


@pytest.mark.parametrize("options", [[], ["--processes", "2"]])
def test_a_taken_port_is_told_with_its_number_and_the_setting(taken_port: int, options: list[str]) -> None:
    result = call("api", *options, environ=NOWHERE | {"HTTP_PORT": str(taken_port)})
    assert result.exit_code == 1
    *_log, sentence = result.stderr.splitlines()
    assert sentence.startswith(f"headcount: HTTP_PORT {taken_port} on 127.0.0.1 is not available: ")


@pytest.mark.parametrize(
    ("text", "duration"),
    [("30d", timedelta(days=30)), ("12h", timedelta(hours=12)), ("45m", timedelta(minutes=45))],
)
def test_a_duration_is_a_number_and_a_unit(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["", "30", "d", "0d", "-1d", "1.5h", "30 d", "1w", "30d\n", "9999999d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="such as 30d, 12h or 45m"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OperatorError("Set another."), "Set another."),
        (ExceptionGroup("", [ExceptionGroup("", [UnavailableError("Kafka is away.")])]), "Kafka is away."),
        (
            OSError(errno.ENOSPC, "No space left on device", "/home/log"),
            "/home/log can't be used: No space left on device",
        ),
        (OSError(errno.EMFILE, "Too many open files"), "This machine can't be used: Too many open files"),
        (KafkaConnectionError("no broker"), "Kafka reports: KafkaConnectionError: no broker"),
        (BusyLoadingError("loading"), "Redis reports: loading"),
    ],
)
def test_an_expected_error_has_a_sentence(error: Exception, sentence: str) -> None:
    assert sentence_of(error) == sentence


@pytest.mark.parametrize("error", [KeyError("x"), OSError("unheard of"), ExceptionGroup("", [ValueError()])])
def test_a_mistake_of_ours_has_none_and_shows_its_traceback(error: Exception) -> None:
    assert sentence_of(error) is None
