"""The demo client: its question, its curl line, and a token that lasts over restarts."""

import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from multidict import MultiDict

from api.auth.tokens import Token, digest_of
from api.endpoints.weekly_data.contract import parse_window
from api.errors import NoTokensError
from headcount.demo.client import Demo, demo_token

NOW = datetime(2026, 3, 4, 12, 30, tzinfo=UTC)


class FakeTokens:
    """A token store in memory, which like the real one vouches for nothing while it is empty."""

    def __init__(self) -> None:
        self.kept: dict[str, Token] = {}

    async def find(self, digest: str) -> Token | None:
        if not self.kept:
            raise NoTokensError("none")
        return self.kept.get(digest)

    async def add(self, token: Token) -> None:
        self.kept[token.digest] = token


@pytest.fixture
def tokens() -> FakeTokens:
    return FakeTokens()


async def ask_for_token(tokens: FakeTokens, kept: Path, now: datetime = NOW) -> str:
    return await demo_token(tokens, kept, now)


def demo(time_zone: str) -> Demo:
    return Demo(api_url="http://127.0.0.1:8080", auth_token="it's", time_zone=ZoneInfo(time_zone))


@pytest.mark.parametrize(
    ("time_zone", "start"),
    [
        ("UTC", "2026-03-04T23:59:59.999Z"),
        ("Europe/Vienna", "2026-03-04T22:59:59.999Z"),
        ("Pacific/Auckland", "2026-03-05T10:59:59.999Z"),
        ("Pacific/Chatham", "2026-03-05T10:14:59.999Z"),
    ],
)
def test_it_asks_up_to_the_end_of_today_where_the_deployment_is(time_zone: str, start: str) -> None:
    url = demo(time_zone).url(NOW)
    assert url == (
        f"http://127.0.0.1:8080/api/v1/engagement-dashboard/users/chat-busier/weekly-data?start={start}"
    )
    newest = parse_window(MultiDict(start=start), ZoneInfo(time_zone))[0]
    assert newest == NOW.astimezone(ZoneInfo(time_zone)).date()


def test_the_curl_line_is_one_command_for_a_shell() -> None:
    assert shlex.split(demo("UTC").curl(NOW)) == [
        "curl", "-s", "-H", "x-auth-token: it's", "-H", "x-user-id: demo", demo("UTC").url(NOW),
    ]  # fmt: skip


async def test_the_first_run_mints_a_token_for_the_dashboard(tokens: FakeTokens, tmp_path: Path) -> None:
    secret = await ask_for_token(tokens, tmp_path / "token.json")
    token = tokens.kept[digest_of(secret)]
    assert (token.workspace_id, token.user_id) == ("developers", "demo")
    assert token.permissions == {"view-engagement-dashboard"}


async def test_the_next_run_uses_the_same_token(tokens: FakeTokens, tmp_path: Path) -> None:
    kept = tmp_path / "token.json"
    assert await ask_for_token(tokens, kept) == await ask_for_token(tokens, kept)
    assert len(tokens.kept) == 1


async def test_a_token_is_minted_anew_when_the_store_lost_it(tokens: FakeTokens, tmp_path: Path) -> None:
    kept = tmp_path / "token.json"
    lost = await ask_for_token(tokens, kept)
    tokens.kept.clear()
    assert await ask_for_token(tokens, kept) != lost


async def test_a_token_is_minted_anew_before_it_expires(tokens: FakeTokens, tmp_path: Path) -> None:
    kept = tmp_path / "token.json"
    first = await ask_for_token(tokens, kept)
    assert await ask_for_token(tokens, kept, NOW + timedelta(days=28)) == first
    assert await ask_for_token(tokens, kept, NOW + timedelta(days=29, seconds=1)) != first
