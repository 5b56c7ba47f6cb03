"""`make run` as a newcomer uses it: from a fresh clone, with an empty home, to the answer and back."""

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiokafka import AIOKafkaProducer

from tests.e2e.programs import ROOT, Program, get, plain_environ, started
from tests.e2e.sample_counts import by_weekday

FRESH_USERS = 20
FIRST_START_SECONDS = 300.0
START_SECONDS = 60.0


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a newcomer gets of this project: what is committed, and nothing else; in a folder of any name."""
    clone = tmp_path_factory.mktemp("newcomer") / "Bücher und Hefte"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    return clone


class MakeRun:
    """A `make run` that answers."""

    def __init__(self, program: Program, clone: Path) -> None:
        self.program = program
        self._clone = clone
        self.run_file = clone / ".headcount" / "run.json"

    @property
    def details(self) -> Mapping[str, Any]:
        return json.loads(self.run_file.read_bytes())  # type: ignore[no-any-return]

    def ask(self) -> Mapping[date, int]:
        """Ask what the printed curl line asks: users by day."""
        arguments = self._curl()
        headers = [value for flag, value in pairwise(arguments) if flag == "-H"]
        status, body = get(arguments[-1], dict(header.split(": ") for header in headers))
        assert (status, body["success"]) == (200, True)
        return {date(row["year"], row["month"], row["day"]): row["users"] for row in body["month"]}

    def asks_until(self) -> datetime:
        """Return the end of the day that the printed line calls today."""
        _, _, start = self._curl()[-1].rpartition("start=")
        return datetime.fromisoformat(start)

    def headcount(self, *arguments: str) -> str:
        """Run a command as another terminal would, after the line that is printed for it."""
        line = next(line for line in self.program.read().splitlines() if line.startswith("  export "))
        environ = dict(assignment.split("=", 1) for assignment in shlex.split(line)[1:])
        command = [str(self._clone / ".venv" / "bin" / "headcount"), *arguments]
        settings = plain_environ(**environ, LC_ALL="POSIX")
        done = subprocess.run(command, env=settings, cwd="/", capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _curl(self) -> list[str]:
        return shlex.split(next(line for line in self.program.read().splitlines() if "curl " in line))

    def children(self) -> list[psutil.Process]:
        """Return every process that the run has started, Headcount itself first."""
        headcount = psutil.Process(self.details["pid"])
        return [headcount, *headcount.children(recursive=True)]


@contextmanager
def make_run(clone: Path, *, deadline_seconds: float) -> Iterator[MakeRun]:
    """Run `make run` until it has answered, on a free port."""
    home = clone.parent / "home"
    home.mkdir(exist_ok=True)
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    # An empty home, but for what was downloaded before: the registries are not what is tested.
    environ = plain_environ(HOME=str(home), XDG_CACHE_HOME=cache, HTTP_PORT="0", LC_ALL="POSIX")
    command = ["make", "run", f"PYTHON={sys.executable}"]
    with started(command, environ=environ, folder=clone, output=clone.parent / "make-run.out") as program:
        run = MakeRun(program, clone)
        program.wait_for(run.run_file.exists, deadline_seconds=deadline_seconds)
        yield run


async def publish_fresh_users(details: Mapping[str, Any]) -> None:
    """Publish events as any producer would."""
    async with AIOKafkaProducer(bootstrap_servers=details["kafka_bootstrap_servers"]) as producer:
        for number in range(FRESH_USERS):
            event = {
                "workspace_id": details["workspace_id"],
                "user_id": f"fresh-user-{number}",
                "occurred_at": datetime.now(UTC).isoformat(),
                "type": "login",
            }
            await producer.send_and_wait(details["kafka_topic"], json.dumps(event).encode())


async def test_a_newcomer_runs_it_stops_it_and_runs_it_again(clone: Path) -> None:
    before = datetime.now(UTC)
    with make_run(clone, deadline_seconds=FIRST_START_SECONDS) as run:
        assert run.run_file.stat().st_mode & 0o777 == 0o600
        assert run.details.keys() == {
            "api_url", "workspace_id", "user_id", "auth_token", "kafka_bootstrap_servers", "kafka_topic",
            "redis_url", "user_id_hash_key_file", "pid",
        }  # fmt: skip
        assert_is_the_sample_week(run, before, fresh_users={})

        today = max(run.ask())
        users = run.ask()[today]
        await publish_fresh_users(run.details)
        enough = users + FRESH_USERS
        run.program.wait_for(lambda: run.ask()[today] >= enough, deadline_seconds=10)
        assert "developers" in run.headcount("verify", "--workspace", "developers", "--json")

        processes, token = run.children(), run.details["auth_token"]
        assert len(processes) == 5  # headcount, and two servers with a watchdog each
        assert run.program.stop(signal.SIGTERM, pid=run.details["pid"]) == 0
        assert_all_is_gone(run, processes)

    with make_run(clone, deadline_seconds=START_SECONDS) as again:
        assert again.details["auth_token"] == token
        assert_is_the_sample_week(again, before, fresh_users={today: FRESH_USERS})

        processes = again.children()
        again.program.press_ctrl_c()
        assert_all_is_gone(again, processes)


def assert_is_the_sample_week(run: MakeRun, before: datetime, *, fresh_users: Mapping[date, int]) -> None:
    """Hold an answer, which grows with the clock, against a plain count of the sample and of fresh users."""
    answered = run.ask()
    after = min(datetime.now(UTC), run.asks_until())
    least, most = by_weekday("developers", before), by_weekday("developers", after)
    assert answered.keys() == {day for day, users in most.items() if users}
    for day, users in answered.items():
        fresh = fresh_users.get(day, 0)
        low, high = least.get(day, 0) + fresh, most[day] + fresh
        assert low <= users <= high, day


def assert_all_is_gone(run: MakeRun, processes: list[psutil.Process]) -> None:
    assert not run.run_file.exists()
    assert not [process for process in processes if process.is_running()]
    assert "Traceback" not in run.program.read()
