"""The command line as an operator uses it: servers, worker, API, tokens, a replay and the status."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.programs import ROOT, Program, get, plain_environ, started
from tests.e2e.sample_counts import SAMPLE, shifted_to

Start = Callable[..., Program]


class CommandLine:
    """`headcount`, with settings that point at servers of this module's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = plain_environ(HEADCOUNT_HOME=str(folder / "home"), HTTP_PORT="0", LOG_FORMAT="json")
        self._programs = ExitStack()

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """Run a command to its end, which must have that exit code, and return what it printed."""
        command = [sys.executable, "-m", "headcount", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=self.environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stderr
        return done.stdout or done.stderr

    def json(self, *arguments: str) -> Any:  # noqa: ANN401 - as JSON is
        return json.loads(self(*arguments, "--json"))

    def start(self, *arguments: str) -> Program:
        """Start a command that goes on until it is stopped."""
        command = [sys.executable, "-m", "headcount", *arguments]
        output = self.folder / f"{arguments[0]}.out"
        return self._programs.enter_context(
            started(command, environ=self.environ, folder=ROOT, output=output)
        )

    def close(self) -> None:
        self._programs.close()


@pytest.fixture(scope="module")
def headcount(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """Have `headcount services` running, and its lines in the environment."""
    headcount = CommandLine(tmp_path_factory.mktemp("operator"))
    services = headcount.start("services")
    services.wait_for(lambda: "REDIS_URL=" in services.read(), deadline_seconds=120)
    lines = [line for line in services.read().splitlines() if line.startswith(("KAFKA_", "REDIS_", "USER_"))]
    headcount.environ |= dict(line.split("=", 1) for line in lines)
    yield headcount
    assert services.stop() == 0
    headcount.close()


def listening_url(api: Program) -> str | None:
    events = [json.loads(line) for line in api.read().splitlines()]
    return next((event["url"] for event in events if event["event"] == "listening"), None)


def test_a_week_from_the_recording_to_the_answer(headcount: CommandLine) -> None:
    worker, api = headcount.start("worker"), headcount.start("api")
    token = headcount.json("tokens", "create", "--workspace", "developers", "--user", "alice")
    before = shifted_to("developers", datetime.now(UTC))
    published = headcount.json("replay", str(SAMPLE), "--shift-to-today")
    after = shifted_to("developers", datetime.now(UTC))
    assert published["end"] in {"clock", "complete"}
    worker.wait_for(lambda: headcount.json("status")["lag"] == 0, deadline_seconds=60)

    url = f"{api.wait_for(lambda: listening_url(api), deadline_seconds=30)}/api/v1/engagement-dashboard/users"
    url += f"/chat-busier/weekly-data?start={max(after)}T23:59:59.999Z"
    login = {"x-auth-token": token["auth_token"], "x-user-id": "alice"}
    worker.wait_for(lambda: get(url, login)[0] == 200, deadline_seconds=30)
    rows = get(url, login)[1]["month"]
    answered = {date(row["year"], row["month"], row["day"]): row["users"] for row in rows}
    assert answered.keys() == {day for day, users in before.items() if users}
    assert all(before[day] <= users <= after[day] for day, users in answered.items())

    status = headcount.json("status")
    assert (status["workers"], status["catching_up"], status["lag"]) == (1, False, 0)
    assert sum(part["checkpoint"] for part in status["partitions"]) == published["published"]

    headcount("tokens", "revoke", token["id"])
    api.wait_for(lambda: get(url, login)[0] == 401, deadline_seconds=10)
    assert (worker.stop(), api.stop()) == (0, 0)


def test_a_token_is_listed_without_its_secret_until_it_is_revoked(headcount: CommandLine) -> None:
    create = ("tokens", "create", "--workspace", "whatwg", "--user", "bob")
    permissions = ("--permission", "view-engagement-dashboard", "--permission", "api-bypass-rate-limit")
    token = headcount.json(*create, *permissions, "--expires-in", "30d")
    listed = next(each for each in headcount.json("tokens", "list") if each["id"] == token["id"])
    assert listed["permissions"] == "api-bypass-rate-limit view-engagement-dashboard"
    assert listed["state"] == "active"
    assert token["auth_token"] not in headcount("tokens", "list")
    headcount("tokens", "revoke", token["id"])
    listed = next(each for each in headcount.json("tokens", "list") if each["id"] == token["id"])
    assert listed["state"] == "revoked"


def test_a_token_that_does_not_exist_can_not_be_revoked(headcount: CommandLine) -> None:
    assert headcount("tokens", "revoke", "nothing", code=1) == (
        "headcount: No token has the id nothing. To list tokens: headcount tokens list\n"
    )


def test_people_read_a_table(headcount: CommandLine) -> None:
    headcount("tokens", "create", "--workspace", "whatwg", "--user", "carol")
    lines = headcount("tokens", "list").splitlines()
    assert lines[0].split() == [
        "id", "workspace_id", "user_id", "permissions", "created_at", "expires_at", "state",
    ]  # fmt: skip
    assert any("carol" in line.split() and "active" in line.split() for line in lines)


def test_a_second_headcount_in_the_same_home_is_refused(headcount: CommandLine) -> None:
    said = headcount("services", code=1)
    assert said.startswith("headcount: Another Headcount is running in ")
    assert said.count("\n") == 1


def test_a_replay_that_is_interrupted_says_how_far_it_came(headcount: CommandLine, tmp_path: Path) -> None:
    recording = tmp_path / "recording.tsv"
    recording.write_text("2012-01-01T01:25\tcss\ta\n2012-01-01T01:26\tcss\tb\n")
    before = log_end(headcount)
    replay = headcount.start("replay", str(recording), "--speed", "1", "--json")
    replay.wait_for(lambda: log_end(headcount) > before, deadline_seconds=30)
    assert replay.stop() == 130
    written = replay.read()
    summary = json.loads(written[written.index("{") :])  # after lines that tell its progress
    assert (summary["published"], summary["end"]) == (1, "interrupted")


def log_end(headcount: CommandLine) -> int:
    """Count the records of the topic."""
    return sum(part["end"] for part in headcount.json("status")["partitions"])
