"""Fakes of the API's dependencies: view, token store and rate limiter, in memory, able to fail or hang."""

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
    """A clock that shows the instant it was set to."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass
class FakeTimer:
    """A timer that shows the seconds it was set to."""

    seconds: float = 1_000.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class FakeView:
    """Counters in a dict; `queries` records every query."""

    counts: dict[tuple[str, date], int] = field(default_factory=dict)
    instant: datetime = NOW
    standard_error: float = 0.0
    error: BaseException | None = None
    hangs: bool = False
    queries: list[tuple[str, tuple[date, ...]]] = field(default_factory=list)
    answered: int = 0
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def release(self) -> None:
        """Answer the queries that hang, and all later ones."""
        self.hangs = False
        self.released.set()

    async def daily_counts(self, workspace_id: str, days: Sequence[date]) -> DailyCounts:
        self.queries.append((workspace_id, tuple(days)))
        as_of = await self.as_of()
        self.answered += 1
        return DailyCounts(
            users=[self.counts.get((workspace_id, day), 0) for day in days],
            as_of=as_of,
            standard_error=self.standard_error,
        )

    async def as_of(self) -> datetime:
        if self.hangs:
            await self.released.wait()
        await _fail_or_hang(self.error, hangs=False)
        return self.instant


@dataclass
class FakeTokens:
    """Tokens in a dict; `lookups` records every digest looked up, `lists` counts the reads of all tokens."""

    by_digest: dict[str, Token] = field(default_factory=dict)
    error: BaseException | None = None
    hangs: bool = False
    lookups: list[str] = field(default_factory=list)
    lists: int = 0

    async def find(self, digest: str) -> Token | None:
        self.lookups.append(digest)
        await self.ping()
        return self.by_digest.get(digest)

    async def ping(self) -> None:
        await _fail_or_hang(self.error, hangs=self.hangs)
        if not self.by_digest:
            raise NoTokensError

    async def list(self) -> list[Token]:
        self.lists += 1
        await asyncio.sleep(0)  # like a network call, lets other tasks run
        await _fail_or_hang(self.error, hangs=self.hangs)
        return [*self.by_digest.values()]

    async def add(self, token: Token) -> None:
        self.by_digest[token.digest] = token


@dataclass
class FakeLimiter:
    """Counts requests by token id and minute; each token may make `per_minute`."""

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
        await _fail_or_hang(self.error, hangs=self.hangs)
        self.counts[token_id, minute_of(now)] += 1
        return RateLimitStatus(self.per_minute, self.counts[token_id, minute_of(now)], now)


async def _fail_or_hang(error: BaseException | None, *, hangs: bool) -> None:
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
