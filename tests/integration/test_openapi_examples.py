"""Every example in the OpenAPI document is reproduced and compared byte for byte."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from zoneinfo import ZoneInfo

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from multidict import MultiDict
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from api.app import create_app
from api.auth.admission import ClientLimits
from api.auth.authentication import VIEW_ENGAGEMENT_DASHBOARD
from api.endpoints.weekly_data.contract import WEEKLY_DATA_PATH, parse_window
from api.limits.redis_rate_limiter import RedisRateLimiter
from api.openapi.document import openapi_document
from api.openapi.examples import AS_OF, NOW, REQUESTS_PER_MINUTE, START, USERS
from api.openapi.responses import Document
from api.store.tokens import RedisTokenStore
from ingest.batch import Batch, Offset, Partition
from ingest.ports import Extent, LogState
from projector import keys
from projector.views.daily import RedisView
from tests.suites.projections import an_event, redis_projection
from tests.support.fakes_api import login, make_token
from tests.support.mute import address_of, mute_server
from tests.support.waiting import scaled

PARTITION = Partition("user-activity", 0)


@dataclass
class Stage:
    """The parts of an API and a request; by default, the request of the first example."""

    redis: Redis
    """The administrator's."""
    away: Redis
    view: Redis
    tokens: Redis
    limits: Redis
    query: dict[str, str] = field(default_factory=lambda: {"start": START})
    headers: dict[str, str] = field(default_factory=dict)
    deadline: timedelta = field(default_factory=lambda: timedelta(seconds=scaled(10)))
    asked_before: int = 0

    async def log_in(
        self, workspace_id: str = "acme", permissions: Sequence[str] = (VIEW_ENGAGEMENT_DASHBOARD,)
    ) -> None:
        token, secret = make_token(workspace_id=workspace_id, permissions=permissions)
        await RedisTokenStore(self.redis).add(token)
        self.headers = login(token.user_id, secret)

    async def count(self) -> None:
        """Count as many users on each day of the window as in the example."""
        projection = redis_projection(self.redis)
        await projection.begin(LogState("one", {PARTITION: Extent(Offset(0), Offset(1))}))
        days = parse_window(MultiDict(start=START), ZoneInfo("UTC"))
        events = [
            an_event(f"person-{number}", NOW - (days[0] - day))
            for day, users in zip(days, USERS, strict=True)
            for number in range(users)
        ]
        await projection.apply(
            Batch(partition=PARTITION, start=Offset(0), end=Offset(1), events=events, as_of=AS_OF)
        )

    def app(self) -> web.Application:
        return create_app(
            view=RedisView(self.view),
            tokens=RedisTokenStore(self.tokens),
            time_zone=ZoneInfo("UTC"),
            clock=lambda: NOW,
            limits=ClientLimits(
                requests=RedisRateLimiter(self.limits, per_minute=REQUESTS_PER_MINUTE), deadline=self.deadline
            ),
        )


@pytest.fixture
async def stage(
    redis_client: Redis, redis_as: Callable[[str], Redis], unused_tcp_port: int
) -> AsyncIterator[Stage]:
    async with Redis(port=unused_tcp_port, retry=Retry(NoBackoff(), 0)) as away:
        api = redis_as("api")
        stage = Stage(redis_client, away, view=api, tokens=api, limits=api)
        await stage.count()
        await stage.log_in()
        yield stage


async def as_it_is(_stage: Stage) -> None:
    pass


async def another_workspace(stage: Stage) -> None:
    await stage.log_in("quiet")


async def without_start(stage: Stage) -> None:
    stage.query = {}


async def with_a_date(stage: Stage) -> None:
    stage.query = {"start": "2024-05-17"}


async def logged_out(stage: Stage) -> None:
    stage.headers = {}


async def not_permitted(stage: Stage) -> None:
    await stage.log_in(permissions=[])


async def asked_too_often(stage: Stage) -> None:
    stage.asked_before = REQUESTS_PER_MINUTE


async def checkpoints_lost(stage: Stage) -> None:
    await stage.redis.delete(keys.FIRST.checkpoints, keys.FIRST.as_of)


async def counters_away(stage: Stage) -> None:
    stage.view = stage.away


async def tokens_away(stage: Stage) -> None:
    stage.tokens = stage.away


async def limits_away(stage: Stage) -> None:
    stage.limits = stage.away


async def all_away(stage: Stage) -> None:
    stage.view = stage.tokens = stage.away


async def tokens_lost(stage: Stage) -> None:
    await stage.redis.delete(keys.ONLY.tokens)


async def counted_a_while_ago(stage: Stage) -> None:
    ago = int((NOW - timedelta(minutes=5)).timestamp() * 1000)
    await stage.redis.hset(keys.FIRST.as_of, str(PARTITION), ago)


Scene = Callable[[Stage], Awaitable[None]]

SCENES: dict[str, dict[str, Scene]] = {
    WEEKLY_DATA_PATH: {
        "week": as_it_is,
        "no-users": another_workspace,
        "start-missing": without_start,
        "start-malformed": with_a_date,
        "not-logged-in": logged_out,
        "not-permitted": not_permitted,
        "too-many-requests": asked_too_often,
        "catching-up": checkpoints_lost,
        "counters-unavailable": counters_away,
        "tokens-unavailable": tokens_away,
        "not-counted": limits_away,
    },
    "/livez": {"alive": as_it_is},
    "/readyz": {
        "ready": as_it_is,
        "stale": counted_a_while_ago,
        "not-caught-up": checkpoints_lost,
        "no-tokens": tokens_lost,
        "redis-away": all_away,
    },
}


@dataclass(frozen=True)
class Example:
    """An example as the document has it."""

    path: str
    name: str
    status: int
    body: bytes
    headers: Document


def examples() -> Iterator[Example]:
    for path, operations in openapi_document()["paths"].items():
        for status, response in operations["get"]["responses"].items():
            content = response.get("content", {"application/json": {}})
            for name, example in content["application/json"].get("examples", {}).items():
                body = orjson.dumps(example["value"])
                yield Example(path, name, int(status), body, response.get("headers", {}))


def told_of(name: str) -> Example:
    return next(example for example in examples() if example.name == name)


async def assert_told(stage: Stage, example: Example) -> None:
    """Send the request, and compare the response with the example."""
    async with TestClient(TestServer(stage.app())) as client:
        for _ in range(stage.asked_before):
            await client.head(example.path, params=stage.query, headers=stage.headers)
        async with client.get(example.path, params=stage.query, headers=stage.headers) as response:
            assert (response.status, await response.read()) == (example.status, example.body)
            assert response.headers["Content-Type"] == "application/json"
            required = {name for name, header in example.headers.items() if header["required"]}
            assert all(name in response.headers for name in required)
            told = {name for name in response.headers if name.startswith(("X-", "Retry-"))}
            assert told <= example.headers.keys()


@pytest.mark.parametrize(
    "example",
    [pytest.param(example, id=example.name) for example in examples() if example.name != "too-slow"],
)
async def test_an_example_equals_the_live_response(stage: Stage, example: Example) -> None:
    await SCENES[example.path][example.name](stage)
    await assert_told(stage, example)


async def test_the_example_of_a_timeout_equals_the_live_response(stage: Stage) -> None:
    with mute_server() as server:
        host, port = address_of(server).split(":")
        async with Redis(host=host, port=int(port), socket_timeout=scaled(30)) as mute:
            stage.view, stage.deadline = mute, timedelta(seconds=scaled(0.5))
            await assert_told(stage, told_of("too-slow"))
