"""Several API processes on one port, as started by `HTTP_PROCESSES`: killed, stopped and refused."""

import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, closing
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from tests.faults.processes import Process
from tests.faults.proxy import Proxy
from tests.support.scrapes import Scrape, scrape
from tests.support.waiting import wait_until
from tests.support.wire import Wire

LIVEZ = b"GET /livez HTTP/1.1\r\nHost: test\r\n\r\n"
READYZ = b"GET /readyz HTTP/1.1\r\nHost: test\r\n\r\n"
NO_REDIS = "redis://127.0.0.1:1/0"


class Api:
    """A running `headcount api` with two processes, and their parent."""

    def __init__(self, parent: Process, url: str, stack: ExitStack) -> None:
        self.parent = parent
        self._stack = stack
        self.port = int(url.rpartition(":")[2])

    @property
    def pids(self) -> list[int]:
        """The children that have listened so far."""
        return [line["pid"] for line in self.parent.lines() if line["event"] == "process listens"]

    def clients_of(self, pid: int) -> int:
        connections = psutil.Process(pid).net_connections("tcp")
        return sum(
            each.status == psutil.CONN_ESTABLISHED and each.laddr.port == self.port for each in connections
        )

    async def connect(self) -> Wire:
        """Open a connection, and send a request that is answered."""
        wire = self._stack.enter_context(closing(await Wire.to(self.port)))
        await wire.send(LIVEZ)
        assert (await wire.answer()).status == 200
        return wire

    async def scrape(self) -> Scrape:
        url = (await self.parent.logged("serving metrics"))["url"]
        return await scrape(url.removesuffix("/metrics"))

    def is_refusing(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) != 0

    def is_gone(self) -> bool:
        return self.is_refusing() and not any(map(lives, self.pids))


def lives(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def api_process(folder: Path, **environment: str) -> Process:
    given = {"LOG_FORMAT": "json", "HTTP_PORT": "0", "HTTP_PROCESSES": "2", "API_METRICS_PORT": "0"}
    return Process("api", {**given, "REDIS_URL": NO_REDIS, **environment}, folder / "api.log")


@asynccontextmanager
async def running(parent: Process) -> AsyncIterator[Api]:
    parent.start()
    try:
        listening = await parent.logged("listening")
        assert listening["processes"] == 2
        with ExitStack() as stack:
            yield Api(parent, listening["url"], stack)
    finally:
        parent.kill()


async def test_clients_are_balanced_and_a_killed_process_is_replaced(tmp_path: Path) -> None:
    async with running(api_process(tmp_path)) as api:
        for _ in range(4):
            await api.connect()
        killed, other = api.pids
        assert (api.clients_of(killed), api.clients_of(other)) == (2, 2)

        async def shows_four() -> bool:
            return (await api.scrape()).value("headcount_http_connections") == 4

        await wait_until(shows_four, message="the processes' connections were added up")
        os.kill(killed, signal.SIGKILL)
        await wait_until(lambda: not lives(killed))

        async def is_replaced() -> bool:
            (await api.connect()).close()
            return len(api.pids) == 3

        await wait_until(is_replaced, message="the killed process was replaced")
        assert (await api.parent.logged("process ended"))["ending"] == "SIGKILL"

        async def forgets_the_lost() -> bool:
            return (await api.scrape()).value("headcount_http_connections") == 2

        await wait_until(forgets_the_lost, message="what the killed process had open was forgotten")
        answered = (await api.scrape()).value(
            "headcount_http_request_seconds_count", route="/livez", status="200"
        )
        assert answered is not None
        assert answered >= 5  # including those of the killed one
        for _ in range(2):
            await api.connect()
        assert api.clients_of(api.pids[-1]) == 2


@pytest.fixture
async def proxy(redis_url: str) -> AsyncIterator[Proxy]:
    """A proxy to Redis that can delay requests."""
    proxy = Proxy(urlsplit(redis_url).port or 6379)
    await proxy.start()
    yield proxy
    await proxy.stop()


async def test_a_stop_answers_current_requests_and_leaves_no_process(
    tmp_path: Path, redis_url: str, proxy: Proxy
) -> None:
    held_url = redis_url.replace(f":{proxy.target}/", f":{proxy.port}/")
    async with running(api_process(tmp_path, REDIS_URL=held_url, API_METRICS_PORT="off")) as api:
        wire = await api.connect()
        with proxy.holding_requests():
            await wire.send(READYZ)
            await wait_until(lambda: proxy.held_requests, message="the request was being answered")
            api.parent.send(signal.SIGTERM)
            await wait_until(api.is_refusing, message="new clients were refused")
        assert (await wire.answer()).status == 503  # no token exists yet
        await api.parent.ended()
        assert api.parent.exit_code == 0
        assert api.is_gone()


async def test_children_do_not_outlive_their_parent(tmp_path: Path) -> None:
    async with running(api_process(tmp_path)) as api:
        api.parent.kill()
        await wait_until(api.is_gone, message="the children had ended")


async def test_a_taken_port_is_refused_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        parent = api_process(tmp_path, HTTP_PORT=str(port), API_METRICS_PORT="off")
        parent.start()
        await parent.ended()
    (line,) = parent.lines()
    assert line["event"].startswith(f"headcount: HTTP_PORT {port} on 127.0.0.1 is not available: ")
    assert parent.exit_code == 1


async def test_a_failing_start_of_the_children_is_reported_once(tmp_path: Path) -> None:
    parent = api_process(tmp_path, AIOHTTP_NO_EXTENSIONS="1", API_METRICS_PORT="off")
    parent.start()
    await parent.ended()
    refusal, end = (line["event"] for line in parent.lines())
    assert refusal.startswith("headcount: aiohttp runs without its C parser")
    assert end.startswith("headcount: An API process exited before it was ready (exit code 1)")
    assert parent.exit_code == 1
