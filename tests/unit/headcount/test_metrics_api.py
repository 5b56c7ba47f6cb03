"""The API's metrics: what is shown is what is documented, and no client can add to it or be seen in it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from math import inf
from zoneinfo import ZoneInfo

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from api.app import create_app
from api.auth.admission import ClientLimits
from api.endpoints.weekly_data.contract import WEEKLY_DATA_PATH
from api.errors import TokensUnavailableError
from headcount.telemetry import api_port as api_port_module
from headcount.telemetry import names
from headcount.telemetry.api_port import api_port
from headcount.wiring import load_config
from httpd.stats import Cause, ConnectionStats
from tests.support.fakes_api import NOW, FakeTokens, FakeView, login, make_token
from tests.support.scrapes import assert_shows, scrape
from tests.support.waiting import wait_until

CONFIG_ = load_config({"API_METRICS_PORT": "0"})
EXPIRY = "headcount_token_expiry_timestamp_seconds"


@dataclass(frozen=True, slots=True)
class MeasuredApi:
    """A running API, and the address of its metrics."""

    client: TestClient[web.Request, web.Application]
    tokens: FakeTokens
    connections: ConnectionStats
    metrics_url: str


@pytest.fixture
async def api() -> AsyncIterator[MeasuredApi]:
    async with measured_api(FakeTokens()) as api:
        yield api


@asynccontextmanager
async def measured_api(tokens: FakeTokens) -> AsyncIterator[MeasuredApi]:
    connections = ConnectionStats()
    app = create_app(
        view=FakeView(),
        tokens=tokens,
        time_zone=ZoneInfo("UTC"),
        clock=lambda: NOW,
        limits=ClientLimits(deadline=timedelta(minutes=1)),
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


@pytest.mark.parametrize(
    ("days", "soonest"),
    [((), None), ((None,), None), ((-1, 9, 5, None), 5), ((-1,), None)],
    ids=["no token", "none expires", "the next of the valid ones", "expired"],
)
async def test_the_next_expiry_of_a_valid_token_shows(
    days: tuple[int | None, ...], soonest: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_port_module, "TOKENS_SECONDS", 0.01)
    tokens = FakeTokens()
    async with measured_api(tokens) as api:
        assert (await scrape(api.metrics_url)).value(EXPIRY) == inf
        for each in days:
            await tokens.add(make_token(expires_at=None if each is None else NOW + timedelta(days=each))[0])
        revoked, _ = make_token(expires_at=NOW + timedelta(days=2))
        await tokens.add(replace(revoked, revoked_at=NOW))
        lists = tokens.lists
        await wait_until(lambda: tokens.lists > lists + 1, message="the tokens were read again")
        expected = inf if soonest is None else (NOW + timedelta(days=soonest)).timestamp()
        assert (await scrape(api.metrics_url)).value(EXPIRY) == expected


async def test_the_last_expiry_still_shows_while_redis_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_port_module, "TOKENS_SECONDS", 0.01)
    tokens = FakeTokens()
    await tokens.add(make_token(expires_at=NOW + timedelta(days=3))[0])
    async with measured_api(tokens) as api:
        await wait_until(lambda: tokens.lists > 1, message="the tokens were read")
        tokens.error = TokensUnavailableError("away")
        lists = tokens.lists
        await wait_until(lambda: tokens.lists > lists + 1, message="the tokens were asked for again")
        assert (await scrape(api.metrics_url)).value(EXPIRY) == (NOW + timedelta(days=3)).timestamp()


async def test_the_port_of_clients_shows_no_metrics(api: MeasuredApi) -> None:
    async with api.client.get("/metrics") as response:
        assert response.status == 404
