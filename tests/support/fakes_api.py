"""Fakes of what the API is given: view, token store and rate limiter, in memory, able to fail or hang."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from api.auth.authentication import VIEW_ENGAGEMENT_DASHBOARD
from api.auth.tokens import Token, mint
from api.errors import NoTokensError
from api.limits.rate_limit_status import RateLimitStatus, minute_of
from projector.views.daily import DailyCounts

NOW = datetime(2023, 5, 19, 18, 30, tzinfo=UTC)


@dataclass
class FakeClock:
    """A clock that stands still until it is set."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass
class FakeTimer:
    """Seconds that do not pass until they are set."""

    seconds: float = 1_000.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class FakeView:
    """Counters as a plain dict; `asked` keeps every question."""

    counts: dict[tuple[str, date], int] = field(default_factory=dict)
    instant: datetime = NOW
    standard_error: float = 0.0
    error: BaseException | None = None
    hangs: bool = False
    asked: list[tuple[str, tuple[date, ...]]] = field(default_factory=list)
    answered: int = 0
    going_on: asyncio.Event = field(default_factory=asyncio.Event)

    def go_on(self) -> None:
        """Answer those whose questions hang, and whoever asks from now on."""
        self.hangs = False
        self.going_on.set()

    async def daily_counts(self, workspace_id: str, days: Sequence[date]) -> DailyCounts:
        self.asked.append((workspace_id, tuple(days)))
        as_of = await self.as_of()
        self.answered += 1
        return DailyCounts(
            users=[self.counts.get((workspace_id, day), 0) for day in days],
            as_of=as_of,
            standard_error=self.standard_error,
        )

    async def as_of(self) -> datetime:
        if self.hangs:
            await self.going_on.wait()
        await _trouble(self.error, hangs=False)
        return self.instant


@dataclass
class FakeTokens:
    """Tokens in a dict, by digest; `asked` keeps every digest looked up, `lists` how often all were read."""

    kept: dict[str, Token] = field(default_factory=dict)
    error: BaseException | None = None
    hangs: bool = False
    asked: list[str] = field(default_factory=list)
    lists: int = 0

    async def find(self, digest: str) -> Token | None:
        self.asked.append(digest)
        await self.ping()
        return self.kept.get(digest)

    async def ping(self) -> None:
        await _trouble(self.error, hangs=self.hangs)
        if not self.kept:
            raise NoTokensError

    async def list(self) -> list[Token]:
        self.lists += 1
        await asyncio.sleep(0)  # as over a network: others get their turn meanwhile
        await _trouble(self.error, hangs=self.hangs)
        return [*self.kept.values()]

    async def add(self, token: Token) -> None:
        self.kept[token.digest] = token


@dataclass
class FakeLimiter:
    """Counts of requests by token id and minute; `per_minute` may be asked."""

    per_minute: int = 3
    counts: Counter[tuple[str, int]] = field(default_factory=Counter)
    error: BaseException | None = None
    hangs: bool = False

    def spend(self, token_id: str, now: datetime) -> RateLimitStatus | None:
        used = self.counts[token_id, minute_of(now)] + 1
        if self.error or self.hangs or used > self.per_minute:
            return None
        self.counts[token_id, minute_of(now)] = used
        return RateLimitStatus(self.per_minute, used, now)

    async def count(self, token_id: str, now: datetime) -> RateLimitStatus:
        await _trouble(self.error, hangs=self.hangs)
        self.counts[token_id, minute_of(now)] += 1
        return RateLimitStatus(self.per_minute, self.counts[token_id, minute_of(now)], now)


async def _trouble(error: BaseException | None, *, hangs: bool) -> None:
    if hangs:
        await asyncio.Event().wait()
    if error is not None:
        raise error


def make_token(
    *,
    workspace_id: str = "acme",
    user_id: str = "alice",
    permissions: Sequence[str] = (VIEW_ENGAGEMENT_DASHBOARD,),
    expires_at: datetime | None = None,
) -> tuple[Token, str]:
    return mint(
        workspace_id=workspace_id,
        user_id=user_id,
        permissions=permissions,
        created_at=datetime(2023, 1, 1, tzinfo=UTC),
        expires_at=expires_at,
    )


def login(user_id: str, secret: str) -> dict[str, str]:
    return {"X-User-Id": user_id, "X-Auth-Token": secret}
