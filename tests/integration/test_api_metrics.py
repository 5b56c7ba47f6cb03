"""Several processes of the API: whichever is asked, it tells what all have answered."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path

import pytest
from aiohttp import ClientSession

from headcount.telemetry.names import API
from tests.e2e.programs import ROOT, Program, plain_environ, started
from tests.support.scrapes import Scrape, scrape
from tests.support.waiting import wait_until

START_SECONDS = 30.0
COUNT = "headcount_http_request_seconds_count"


@dataclass(frozen=True, slots=True)
class ApiProcess:
    """A running `headcount api`."""

    program: Program
    url: str
    metrics_url: str

    async def ask(self, times: int) -> None:
        async with ClientSession(self.url) as session:
            for _ in range(times):
                async with session.get("/livez") as response:
                    assert response.status == 200

    async def scrape(self) -> Scrape:
        return await scrape(self.metrics_url)


@contextmanager
def api_process(environ: dict[str, str], output: Path) -> Iterator[ApiProcess]:
    def told(event: str) -> str | None:
        lines = map(json.loads, program.read().splitlines())
        return next((line["url"] for line in lines if line["event"] == event), None)

    with started(
        [sys.executable, "-m", "headcount", "api"], environ=environ, folder=ROOT, output=output
    ) as program:
        url = program.wait_for(lambda: told("listening"), deadline_seconds=START_SECONDS)
        metrics_url = told("serving metrics")
        assert metrics_url
        yield ApiProcess(program, url, metrics_url.removesuffix("/metrics"))


@pytest.fixture
def environ(redis_url: str, tmp_path: Path) -> dict[str, str]:
    shared = tmp_path / "shared"
    shared.mkdir()
    return plain_environ(REDIS_URL=redis_url, LOG_FORMAT="json", PROMETHEUS_MULTIPROC_DIR=str(shared))


def answers(shown: Scrape) -> float | None:
    return shown.value(COUNT, route="/livez", status="200")


async def test_processes_add_up_whichever_is_asked(environ: dict[str, str], tmp_path: Path) -> None:
    with (
        api_process(environ, tmp_path / "one.out") as one,
        api_process(environ, tmp_path / "two.out") as two,
    ):
        await one.ask(3)
        await two.ask(4)
        for each in (one, two):
            shown = await each.scrape()
            assert answers(shown) == 7
            assert shown.value("headcount_token_expiry_timestamp_seconds") == inf
            assert shown.kinds == {metric.name: metric.kind for metric in API}


async def test_what_a_process_has_counted_outlives_it(environ: dict[str, str], tmp_path: Path) -> None:
    with api_process(environ, tmp_path / "one.out") as one:
        with api_process(environ, tmp_path / "two.out") as two:
            await two.ask(4)
            async with ClientSession(two.url) as session, session.get("/livez"):

                async def shows_the_connection() -> bool:
                    return (await one.scrape()).value("headcount_http_connections") == 1

                await wait_until(shows_the_connection)
            assert two.program.stop() == 0
        shown = await one.scrape()
        assert answers(shown) == 5
        assert shown.value("headcount_http_connections") == 0


async def test_refused_logins_add_up(environ: dict[str, str], tmp_path: Path) -> None:
    path = "/api/v1/engagement-dashboard/users/chat-busier/weekly-data"
    with (
        api_process(environ, tmp_path / "one.out") as one,
        api_process(environ, tmp_path / "two.out") as two,
    ):
        for each in (one, two):
            async with ClientSession(each.url) as session, session.get(path) as response:
                assert response.status == 401

        async def shows_both() -> bool:
            shown = await one.scrape()
            return shown.value("headcount_authentication_failures_total", kind="missing") == 2

        await wait_until(shows_both, message="one had heard of the other's")
