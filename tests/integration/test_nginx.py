"""The shipped nginx configuration on a real nginx, in front of an API and a stand-in for Rocket.Chat."""

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from aiohttp import web

from api.app import create_app
from api.auth.admission import ClientLimits
from api.endpoints.weekly_data.contract import WEEKLY_DATA_PATH
from api.fast_path import FAST_PATH
from headcount.settings import Settings
from headcount.wiring import configure
from httpd.server import listening
from httpd.stats import ConnectionStats
from tests.support.fakes_api import NOW, FakeTimer, FakeTokens, FakeView, make_token
from tests.support.waiting import wait_until
from tests.support.wire import Wire

CONFIG = Path(__file__).parents[2] / "deploy/nginx/headcount.conf"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
START = "start=2023-05-19T00:00:00.000Z"
COUNTS = b'{"month":[],"success":true}'


@pytest.fixture
def nginx() -> str:
    """The path of nginx; without one the tests are skipped, or fail in continuous integration."""
    if NGINX is not None:
        return NGINX
    missing = "nginx is not installed: apt-get install --no-install-recommends nginx-light"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


@dataclass
class Site:
    """nginx, the servers behind it, and the requests that the stand-in for Rocket.Chat received."""

    port: int
    login: str
    stats: ConnectionStats
    opened: list[int]
    forwarded: list[str] = field(default_factory=list)
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def connect(self, source: str = "127.0.0.1") -> Wire:
        wire = await Wire.to(self.port, source=source)
        self.stack.callback(wire.close)
        return wire

    def request(self, target: str, *headers: str, method: str = "GET", login: str | None = None) -> bytes:
        lines = (f"{method} {target} HTTP/1.1", "Host: chat.example", login or self.login, *headers)
        return "\r\n".join([*lines, "", ""]).encode()


def config_for(ports: dict[str, int], folder: Path) -> str:
    """Write the shipped file with the test's ports."""
    shipped = CONFIG.read_text()
    for name, there in {
        "headcount": "127.0.0.1:8080",
        "rocketchat": "127.0.0.1:3000",
        "listen": "80",
    }.items():
        before = f"listen {there};" if name == "listen" else f"server {there};"
        assert shipped.count(before) == 1
        address = f"127.0.0.1:{ports[name]}"
        shipped = shipped.replace(before, f"{'listen' if name == 'listen' else 'server'} {address};")
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return (
        f"daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log stderr;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{temporary}{shipped}\n}}\n"
    )


@pytest.fixture
async def site(nginx: str, tmp_path: Path, unused_tcp_port: int) -> AsyncIterator[Site]:
    token, secret = make_token()
    stats = ConnectionStats()
    app = create_app(
        view=FakeView(),
        tokens=FakeTokens({token.digest: token}),
        time_zone=ZoneInfo("UTC"),
        clock=lambda: NOW,
        timer=FakeTimer(),
        limits=ClientLimits(
            deadline=timedelta(seconds=30),
            failed_logins_per_minute=2,
            trusted_proxies=(ip_network("127.0.0.1/32"),),
        ),
    )
    settings = {"http_port": 0, "trusted_proxies": "127.0.0.1/32"}
    config = configure(Settings.model_validate(settings)).http
    site = Site(unused_tcp_port, f"X-User-Id: alice\r\nX-Auth-Token: {secret}", stats, [])
    async with AsyncExitStack() as stack:
        site.stack = stack
        url = await stack.enter_async_context(listening(app, config, stats, wrap=app[FAST_PATH].wrap))
        chat = await _rocket_chat(site, stack)
        ports = {"headcount": int(url.rpartition(":")[2]), "rocketchat": chat, "listen": site.port}
        (tmp_path / "nginx.conf").write_text(config_for(ports, tmp_path))
        process = await asyncio.create_subprocess_exec(nginx, "-p", tmp_path, "-c", tmp_path / "nginx.conf")
        stack.push_async_callback(process.wait)
        stack.callback(process.terminate)
        await wait_until(lambda: _listens(site.port), message="nginx listens")
        yield site


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return False
    writer.close()
    return True


async def _rocket_chat(site: Site, stack: AsyncExitStack) -> int:
    async def answer(request: web.Request) -> web.Response:
        site.forwarded.append(f"{request.method} {request.path_qs}")
        forwarded = request.headers.get("X-Forwarded-For", "")
        return web.Response(text="Rocket.Chat", headers={"X-Seen-From": forwarded})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site_of_it = web.TCPSite(runner, "127.0.0.1", 0)
    await site_of_it.start()
    return int(runner.addresses[0][1])


async def test_weekly_data_is_answered_by_headcount(site: Site) -> None:
    wire = await site.connect()
    await wire.send(site.request(f"{WEEKLY_DATA_PATH}?{START}"))
    answer = await wire.answer()
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, COUNTS, "application/json")
    assert "x-headcount-as-of" in answer.headers
    assert not site.forwarded


@pytest.mark.parametrize("query", ["end=x&start=2023-05-19T00%3A00%3A00.000Z", START, "start=a%20b", ""])
async def test_the_query_arrives_as_it_was_sent(site: Site, query: str) -> None:
    wire = await site.connect()
    await wire.send(site.request(f"{WEEKLY_DATA_PATH}?{query}"))
    assert (await wire.answer()).status == (200 if "2023" in query else 400)
    assert not site.forwarded


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/api/v1/me",
        "/api/v1/engagement-dashboard/users/new-users",
        "/api/v1/engagement-dashboard/users/active-users",
        "/api/v1/engagement-dashboard/users/chat-busier/hourly-data",
        f"{WEEKLY_DATA_PATH}/",
        f"{WEEKLY_DATA_PATH}x?{START}",
        "/livez",
        "/readyz",
        "/openapi.json",
    ],
)
async def test_all_other_paths_go_to_rocket_chat(site: Site, target: str) -> None:
    wire = await site.connect()
    await wire.send(site.request(target))
    assert (await wire.answer()).body == b"Rocket.Chat"
    assert site.forwarded == [f"GET {target}"]


async def test_a_body_on_a_get_is_dropped_and_keeps_the_connection(site: Site) -> None:
    wire = await site.connect()
    for _ in range(2):
        await wire.send(site.request(f"{WEEKLY_DATA_PATH}?{START}", "Content-Length: 2") + b"{}")
        assert (await wire.answer()).body == COUNTS


async def test_connections_to_headcount_are_kept(site: Site) -> None:
    for _ in range(5):
        wire = await site.connect()
        await wire.send(site.request(f"{WEEKLY_DATA_PATH}?{START}"))
        assert (await wire.answer()).body == COUNTS
        wire.close()
    assert site.stats.open == 1


async def test_failed_logins_are_counted_per_client_and_not_for_nginx(site: Site) -> None:
    """Also if clients send the header themselves: nginx appends the address that it sees."""
    guess = "X-User-Id: alice\r\nX-Auth-Token: guessed"

    async def log_in(source: str, lie: str) -> int:
        wire = await site.connect(source)
        await wire.send(site.request(f"{WEEKLY_DATA_PATH}?{START}", f"X-Forwarded-For: {lie}", login=guess))
        return (await wire.answer()).status

    assert [await log_in("127.0.0.2", f"203.0.113.{lie}") for lie in range(4)] == [401, 401, 429, 429]
    assert await log_in("127.0.0.3", "127.0.0.2") == 401


async def test_rocket_chat_gets_the_address_of_the_client(site: Site) -> None:
    wire = await site.connect("127.0.0.2")
    await wire.send(site.request("/api/v1/me"))
    assert (await wire.answer()).headers["x-seen-from"] == "127.0.0.2"


async def test_nginx_closes_idle_connections_before_headcount_does() -> None:
    found = re.search(r"keepalive_timeout (\d+)s;", CONFIG.read_text())
    assert found is not None
    assert int(found[1]) < configure(Settings.model_validate({})).http.limits.keep_alive_seconds
