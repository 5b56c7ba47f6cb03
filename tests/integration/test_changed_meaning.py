"""A changed TIME_ZONE on real processes: those with the old one wait, those started with the new one run."""

import asyncio
import os
import pty
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp import ClientSession
from redis.asyncio import Redis

from api.endpoints.weekly_data.contract import WEEKLY_DATA_PATH
from ingest.kafka.topics import PARTITIONS
from projector.checkpoints import read_progress
from tests.faults.processes import Process
from tests.support.deployment import Deployment, deployed, event
from tests.support.redis_users import url_as
from tests.support.waiting import wait_until, within

LATE: Final = datetime.now(UTC).replace(hour=22, minute=0, second=0, microsecond=0) - timedelta(days=2)
"""Of this day in UTC, and of the next one in Tokyo."""
TOKYO: Final = "Asia/Tokyo"
SECONDS: Final = 30.0


@pytest.fixture
async def deployment(
    kafka_bootstrap_servers: str, topic: str, redis_url: str, redis_client: Redis
) -> AsyncIterator[Deployment]:
    """A deployment that has counted one person, on an evening."""
    async with deployed(kafka_bootstrap_servers, topic, redis_url) as deployment:
        await deployment.publish(event("user-1", LATE))
        await deployment.count()
        yield deployment


class Pair:
    """A worker and an API, each a process of its own, with the deployment's settings."""

    def __init__(self, deployment: Deployment, folder: Path, name: str, session: ClientSession) -> None:
        self.worker = _process("worker", deployment, folder / f"{name}-worker.log")
        self.api = _process("api", deployment, folder / f"{name}-api.log")
        self._session = session
        self._worker_url = self._api_url = ""

    async def start(self) -> None:
        self.worker.start()
        self.api.start()
        line = await self.worker.logged("serving metrics", deadline_seconds=SECONDS)
        self._worker_url = str(line["url"]).removesuffix("/metrics")
        self._api_url = str((await self.api.logged("listening", deadline_seconds=SECONDS))["url"])

    async def health(self) -> tuple[int, int]:
        """Return the status of the worker's `/livez` and `/readyz`."""
        live, _ = await self._get(f"{self._worker_url}/livez")
        ready, _ = await self._get(f"{self._worker_url}/readyz")
        return live, ready

    async def is_ready(self) -> bool:
        return await self.health() == (200, 200)

    async def is_waiting(self) -> bool:
        return await self.health() == (200, 503)

    async def users(self, token: dict[str, str]) -> list[tuple[int, int]] | tuple[int, str | None]:
        """Ask for the days; return day and users of each, or the status and the `Retry-After`."""
        start = f"{(LATE + timedelta(days=2)).date()}T12:00:00.000Z"
        url, login = f"{self._api_url}{WEEKLY_DATA_PATH}", _login(token)
        async with self._session.get(url, params={"start": start}, headers=login) as response:
            body = await response.json()
            if response.status != 200:
                return response.status, response.headers.get("Retry-After")
        return [(row["day"], row["users"]) for row in body["month"]]

    def warnings(self, part: Process) -> list[str]:
        return [str(line["cause"]) for line in part.lines() if line["event"] == "waiting"]

    def kill(self) -> None:
        self.worker.kill()
        self.api.kill()

    async def _get(self, url: str) -> tuple[int, Any]:
        async with self._session.get(url) as response:
            return response.status, await response.json()


def _process(command: str, deployment: Deployment, log: Path) -> Process:
    environment = {
        **deployment.environment,
        "REDIS_URL": url_as(command, deployment.environment["REDIS_URL"]),
        "LOG_FORMAT": "json",
        "HTTP_PORT": "0",
        "WORKER_METRICS_PORT": "0",
        "API_METRICS_PORT": "off",
    }
    return Process(command, environment, log)


def _login(token: dict[str, str]) -> dict[str, str]:
    return {"X-Auth-Token": token["auth_token"], "X-User-Id": token["user_id"]}


async def test_what_runs_with_the_old_time_zone_waits_until_it_is_back(
    deployment: Deployment, redis_client: Redis, tmp_path: Path
) -> None:
    tokyo = deployment.with_settings(TIME_ZONE=TOKYO)
    created = await deployment.headcount("tokens", "create", "--workspace", "acme", "--user", "u", "--json")
    token, day = created.json, LATE.day
    next_day = (LATE + timedelta(days=1)).day
    async with ClientSession() as session, AsyncExitStack() as stack:
        old, new = (
            Pair(each, tmp_path, name, session) for each, name in ((deployment, "old"), (tokyo, "new"))
        )
        for pair in (old, new):
            stack.callback(pair.kill)
        await old.start()
        await wait_until(old.is_ready, deadline_seconds=SECONDS, message="the old worker was ready")
        await wait_until(lambda: _is(old, token, [(day, 1)]), deadline_seconds=SECONDS)

        refused = await tokyo.program("rebuild")
        assert (refused.exit_code, refused.stdout) == (1, b"")
        assert refused.stderr == (
            "headcount: Redis holds counters for TIME_ZONE='UTC', but this process is configured with "
            f"TIME_ZONE='{TOKYO}'. Set the recorded value, or change it for all workers and APIs: headcount "
            "rebuild --change TIME_ZONE.\n"
        )
        assert (await read_progress(redis_client)).generation == 0
        assert await old.users(token) == [(day, 1)]

        assert (await tokyo.program("rebuild", "--change", "TIME_ZONE")).exit_code == 0
        await wait_until(old.is_waiting, deadline_seconds=SECONDS, message="the old worker was not ready")
        await wait_until(lambda: _is(old, token, (503, "1")), deadline_seconds=SECONDS)
        await new.start()
        await wait_until(new.is_ready, deadline_seconds=SECONDS, message="the new worker was ready")
        for partition in range(PARTITIONS):  # none of them is still the old worker's
            await deployment.publish(event(f"user-2{partition}", LATE), partition=partition)
        everybody = 1 + PARTITIONS
        await wait_until(lambda: _is(new, token, [(next_day, everybody)]), deadline_seconds=SECONDS)
        assert await old.users(token) == (503, "1")
        assert await old.health() == (200, 503)
        assert [len(old.warnings(part)) for part in (old.worker, old.api)] == [1, 1]
        assert f"TIME_ZONE='{TOKYO}'" in old.warnings(old.worker)[0]

        assert (await deployment.program("rebuild", "--change", "TIME_ZONE")).exit_code == 0
        await wait_until(old.is_ready, deadline_seconds=SECONDS, message="the old worker continued")
        await wait_until(lambda: _is(old, token, [(day, everybody)]), deadline_seconds=SECONDS)
        await wait_until(new.is_waiting, deadline_seconds=SECONDS, message="the new worker waited")
        for part in (old.worker, old.api, new.worker, new.api):
            assert part.is_running
            await part.stop()
            assert part.exit_code == 0


async def _is(pair: Pair, token: dict[str, str], answer: object) -> bool:
    return await pair.users(token) == answer


@pytest.mark.parametrize(("answer", "exit_code", "zone"), [(b"n\n", 1, b"UTC"), (b"y\n", 0, TOKYO.encode())])
async def test_at_a_terminal_the_change_is_shown_and_asked_for(
    deployment: Deployment, redis_client: Redis, answer: bytes, exit_code: int, zone: bytes
) -> None:
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "headcount",
        "rebuild",
        env={
            "PATH": os.environ["PATH"],
            **deployment.environment,
            "REDIS_URL": url_as("operator", deployment.environment["REDIS_URL"]),
            "TIME_ZONE": TOKYO,
        },
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = asyncio.create_task(asyncio.to_thread(_read_all, ours))
    os.write(ours, answer)
    async with within(SECONDS):
        assert await process.wait() == exit_code
        text = await shown
    assert f"TIME_ZONE, from 'UTC' to '{TOKYO}'." in text
    assert "Change this for all workers and APIs? [y/N]" in text
    assert await redis_client.hget("headcount:2:{0}:deployment", "time_zone") == zone


def _read_all(terminal: int) -> str:
    """Read what a program writes to a terminal until it has ended."""
    found = b""
    with suppress(OSError):  # Linux' way to say that the other end was closed
        while some := os.read(terminal, 4096):
            found += some
    os.close(terminal)
    return found.decode()
