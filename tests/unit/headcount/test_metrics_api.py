"""The API's metrics: what is shown is what is documented, and no client can add to it or be seen in it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from api.app import create_app
from api.auth.admission import Bounds
from api.endpoints.weekly_data.contract import WEEKLY_DATA_PATH
from headcount.telemetry import names
from headcount.telemetry.api_port import api_port
from headcount.wiring import load_config
from httpd.stats import Cause, ConnectionStats
from tests.support.fakes_api import NOW, FakeTokens, FakeView, login, make_token
from tests.support.scrapes import assert_shows, scrape

CONFIG_ = load_config({"API_METRICS_PORT": "0"})


@dataclass(frozen=True, slots=True)
class MeasuredApi:
    """A running API, and the address of its metrics."""

    client: TestClient[web.Request, web.Application]
    tokens: FakeTokens
    connections: ConnectionStats
    metrics_url: str


@pytest.fixture
async def api() -> AsyncIterator[MeasuredApi]:
    tokens, connections = FakeTokens(), ConnectionStats()
    app = create_app(
        view=FakeView(),
        tokens=tokens,
        time_zone=ZoneInfo("UTC"),
        clock=lambda: NOW,
        bounds=Bounds(deadline=timedelta(minutes=1)),
    )
    async with api_port(CONFIG_, app, connections) as url, TestClient(TestServer(app)) as client:
        assert url
        yield MeasuredApi(client, tokens, connections, url)


async def test_the_api_shows_exactly_what_is_documented(api: MeasuredApi) -> None:
    await api.client.get("/livez")
    assert_shows(await scrape(api.metrics_url), names.API)


async def test_every_label_is_there_before_anything_happened(api: MeasuredApi) -> None:
    shown = await scrape(api.metrics_url)
    kinds = ("missing", "unknown", "expired", "revoked", "wrong-user")
    assert all(shown.value("headcount_authentication_failures_total", kind=kind) == 0 for kind in kinds)
    assert all(shown.value("headcount_rate_limited_total", by=by) == 0 for by in ("token", "address"))
    causes = [shown.value("headcount_http_connections_refused_total", cause=cause) for cause in Cause]
    assert causes == [0] * len(Cause)


async def test_answers_are_timed_by_route_and_status(api: MeasuredApi) -> None:
    token, secret = make_token()
    await api.tokens.add(token)
    query = {"start": "2023-05-19T00:00:00.000Z"}
    await api.client.get(WEEKLY_DATA_PATH, params=query, headers=login(token.user_id, secret))
    await api.client.get(WEEKLY_DATA_PATH, params=query)
    await api.client.get(WEEKLY_DATA_PATH, params=query)
    count = "headcount_http_request_seconds_count"
    shown = await scrape(api.metrics_url)
    assert shown.value(count, route=WEEKLY_DATA_PATH, status="200") == 1
    assert shown.value(count, route=WEEKLY_DATA_PATH, status="401") == 2
    assert shown.value("headcount_authentication_failures_total", kind="missing") == 2


async def test_no_client_adds_a_label(api: MeasuredApi) -> None:
    for path in ("/a", "/b?token=c", f"{WEEKLY_DATA_PATH}/d", "/livez?e=f"):
        await api.client.get(path)
    await api.client.request("BREW", "/livez")
    shown = await scrape(api.metrics_url)
    routes = {
        dict(labels)["route"] for name, labels in shown.samples if name.endswith("_request_seconds_count")
    }
    assert routes == {"unknown", "/livez"}


async def test_nothing_in_a_scrape_tells_of_a_client(api: MeasuredApi) -> None:
    token, secret = make_token(workspace_id="secret-workspace", user_id="secret-user")
    await api.tokens.add(token)
    await api.client.get(f"{WEEKLY_DATA_PATH}?secret-query", headers=login("secret-user", secret))
    text = (await scrape(api.metrics_url)).text
    assert "secret" not in text
    assert secret not in text


async def test_connections_show(api: MeasuredApi) -> None:
    api.connections.open = 17
    api.connections.refused[Cause.IDLE] += 4
    shown = await scrape(api.metrics_url)
    assert shown.value("headcount_http_connections") == 17
    assert shown.value("headcount_http_connections_refused_total", cause="idle") == 4
    api.connections.refused[Cause.IDLE] += 1
    assert (await scrape(api.metrics_url)).value(
        "headcount_http_connections_refused_total", cause="idle"
    ) == 5


async def test_the_port_of_clients_shows_no_metrics(api: MeasuredApi) -> None:
    async with api.client.get("/metrics") as response:
        assert response.status == 404
