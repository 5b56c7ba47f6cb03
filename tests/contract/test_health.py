"""`/livez` and `/readyz`: public, and without data of any workspace."""

from datetime import timedelta

import pytest

from api.errors import NoTokensError, TokensUnavailableError
from projector.views.daily import CatchingUpError, OtherTimeZoneError, ViewUnavailableError
from tests.contract.conftest import Client
from tests.support.fakes_api import NOW, FakeTokens, FakeView

WELL: dict[str, object] = {
    "ready": True,
    "counters": "ok",
    "tokens": "ok",
    "freshness": "ok",
    "as_of": "2023-05-19T18:30:00.000Z",
}
CATCHING_UP = "catching up with the log; requests are answered again once it is done"
AWAY = "unavailable: Redis does not answer, or answers with an error"
OTHER_ZONE = "of another time zone; start the API with the TIME_ZONE of the workers"
SLOW = "unavailable: Redis does not answer in time"
EMPTY = "empty: no token exists, or Redis lost them; create one with `headcount tokens create`"


async def exchange(client: Client, path: str) -> tuple[int, object]:
    async with client.get(path) as response:
        assert response.headers["Content-Type"] == "application/json"
        return response.status, await response.json()


async def test_livez_depends_on_nothing(client: Client, view: FakeView, tokens: FakeTokens) -> None:
    view.error, tokens.error = RuntimeError(), RuntimeError()
    assert await exchange(client, "/livez") == (200, {"alive": True})


@pytest.mark.usefixtures("headers")
async def test_readyz_when_everything_is_available(client: Client) -> None:
    assert await exchange(client, "/readyz") == (200, WELL)


@pytest.mark.usefixtures("headers")
async def test_readyz_reports_old_counters_and_stays_ready(client: Client, view: FakeView) -> None:
    view.instant = NOW - timedelta(seconds=75)
    words = "stale: not updated for 75 s; check the workers and their connection to Kafka"
    as_of = view.instant.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    assert await exchange(client, "/readyz") == (200, WELL | {"freshness": words, "as_of": as_of})


@pytest.mark.usefixtures("headers")
@pytest.mark.parametrize(
    ("error", "words"),
    [
        (CatchingUpError(), CATCHING_UP),
        (ViewUnavailableError("10.0.0.1:6379"), AWAY),
        (OtherTimeZoneError(), OTHER_ZONE),
    ],
)
async def test_readyz_reports_the_problem_of_the_counters(
    client: Client, view: FakeView, error: Exception, words: str
) -> None:
    view.error = error
    unknown = {"ready": False, "freshness": "unknown", "as_of": None}
    assert await exchange(client, "/readyz") == (503, WELL | unknown | {"counters": words})


@pytest.mark.parametrize(
    ("error", "words"), [(NoTokensError(), EMPTY), (TokensUnavailableError("10.0.0.1:6379"), AWAY)]
)
async def test_readyz_reports_the_problem_of_the_tokens(
    client: Client, tokens: FakeTokens, error: Exception, words: str
) -> None:
    tokens.error = error
    assert await exchange(client, "/readyz") == (503, WELL | {"ready": False, "tokens": words})


@pytest.mark.usefixtures("headers")
async def test_readyz_reports_what_hangs_before_its_own_deadline(
    short_deadline_client: Client, view: FakeView, tokens: FakeTokens
) -> None:
    view.hangs = tokens.hangs = True
    assert await exchange(short_deadline_client, "/readyz") == (
        503,
        {"ready": False, "counters": SLOW, "tokens": SLOW, "freshness": "unknown", "as_of": None},
    )


@pytest.mark.usefixtures("headers")
async def test_head_of_the_health_paths(client: Client) -> None:
    for path in ("/livez", "/readyz"):
        async with client.head(path) as response:
            assert (response.status, await response.read()) == (200, b"")
