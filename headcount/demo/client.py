"""The demo client of `headcount run`: its token, its request and the response."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from aiohttp import ClientSession

from api.auth.authentication import VIEW_ENGAGEMENT_DASHBOARD
from api.auth.tokens import Token, digest_of, mint
from api.endpoints.weekly_data.contract import WEEKLY_DATA_PATH
from api.errors import NoTokensError
from headcount.demo.home import read_private, write_private

WORKSPACE_ID: Final = "developers"
USER_ID: Final = "demo"
TOKEN_LIFE: Final = timedelta(days=30)
TOKEN_MIN_REMAINING: Final = timedelta(days=1)
"""The remaining lifetime that a stored token needs to be reused."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The number of users today, and the instant up to which every event is counted."""

    users_today: int
    as_of: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """A client that queries one workspace like the dashboard, up to the end of today."""

    api_url: str
    auth_token: str
    time_zone: ZoneInfo

    def url(self, now: datetime) -> str:
        """Return the URL of a query for the last eight days."""
        tomorrow = datetime.combine(self._today(now) + timedelta(days=1), time(), self.time_zone)
        start = (tomorrow.astimezone(UTC) - timedelta(milliseconds=1)).strftime("%Y-%m-%dT%H:%M:%S.999Z")
        return f"{self.api_url}{WEEKLY_DATA_PATH}?start={start}"

    def curl(self, now: datetime) -> str:
        """Return the same query as a shell command."""
        headers = [part for item in self._headers().items() for part in ("-H", ": ".join(item))]
        return shlex.join(["curl", "-s", *headers, self.url(now)])

    async def query(self, session: ClientSession, now: datetime) -> Answer | None:
        """Query the API; None if it has no answer yet."""
        async with session.get(self.url(now), headers=self._headers()) as response:
            if not response.ok:
                return None
            rows = (await response.json())["month"]
            users = {date(row["year"], row["month"], row["day"]): row["users"] for row in rows}
            as_of = response.headers["X-Headcount-As-Of"]
            return Answer(users.get(self._today(now), 0), as_of)

    def _today(self, now: datetime) -> date:
        return now.astimezone(self.time_zone).date()

    def _headers(self) -> Mapping[str, str]:
        return {"x-auth-token": self.auth_token, "x-user-id": USER_ID}


class Tokens(Protocol):
    """The storage of tokens, see `api.store.tokens.RedisTokenStore`."""

    async def find(self, digest: str) -> Token | None: ...

    async def add(self, token: Token) -> None: ...


async def demo_token(tokens: Tokens, file: Path, now: datetime) -> str:
    """Return the secret of the token in the file, or of a new token, which is stored in the file."""
    secret = read_private(file).get("auth_token")
    if isinstance(secret, str) and await _is_valid(tokens, secret, now):
        return secret
    token, secret = mint(
        workspace_id=WORKSPACE_ID,
        user_id=USER_ID,
        permissions=[VIEW_ENGAGEMENT_DASHBOARD],
        created_at=now,
        expires_at=now + TOKEN_LIFE,
    )
    await tokens.add(token)
    write_private(file, {"auth_token": secret})
    return secret


async def _is_valid(tokens: Tokens, secret: str, now: datetime) -> bool:
    try:
        token = await tokens.find(digest_of(secret))
    except NoTokensError:
        return False
    return token is not None and token.is_active(now + TOKEN_MIN_REMAINING)
