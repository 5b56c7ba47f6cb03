"""Requests and expected responses of the rate limit tests."""

from collections.abc import Mapping

from tests.contract.conftest import Client
from tests.support.fakes_api import FakeTokens, login, make_token

PATH = "/api/v1/engagement-dashboard/users/chat-busier/weekly-data"
TARGET = f"{PATH}?start=2023-05-19T00:00:00.000Z"

EMPTY = b'{"month":[],"success":true}'
NOT_LOGGED_IN = b'{"status":"error","message":"You must be logged in to do this."}'

RESET = 1_684_521_060_000
"""18:31:00 of the fake clock's day, in milliseconds: the end of the minute."""

Exchange = tuple[int, Mapping[str, str], bytes]


def too_many(seconds: int) -> bytes:
    return (
        b'{"success":false,"error":"Error, too many requests. Please slow down. You must wait %d seconds '
        b'before trying this endpoint again. [error-too-many-requests]"}' % seconds
    )


def limits(limit: int, remaining: int, reset: int = RESET) -> dict[str, str]:
    names = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
    return dict(zip(names, map(str, (limit, remaining, reset)), strict=True))


async def exchange(client: Client, headers: Mapping[str, str], path: str = TARGET) -> Exchange:
    """Send a request; return status, rate limit headers and body."""
    async with client.get(path, headers=headers) as response:
        assert response.headers["Content-Type"] == "application/json"
        shown = {
            name: value
            for name, value in response.headers.items()
            if name.startswith("X-RateLimit") or name == "Retry-After"
        }
        return response.status, shown, await response.read()


def add_login(tokens: FakeTokens, *permissions: str, user_id: str = "alice") -> dict[str, str]:
    """Add a token, and return its login headers."""
    token, secret = make_token(user_id=user_id, permissions=permissions)
    tokens.by_digest[token.digest] = token
    return login(user_id, secret)
