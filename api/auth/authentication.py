"""Authentication: finds the token of the two headers, or raises one error for every cause of failure."""

import hmac
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NewType, Protocol

from multidict import MultiMapping

from api.auth.tokens import USER_ID_MAX_CHARACTERS, Token, digest_of
from api.errors import LoginFailure, NotLoggedInError, NotPermittedError

Permission = NewType("Permission", str)

VIEW_ENGAGEMENT_DASHBOARD: Final = Permission("view-engagement-dashboard")
BYPASS_RATE_LIMIT: Final = Permission("api-bypass-rate-limit")
PERMISSIONS: Final = (VIEW_ENGAGEMENT_DASHBOARD, BYPASS_RATE_LIMIT)
"""All permissions that the API checks."""

_SECRET_MAX_CHARACTERS: Final = 256
_USER_ID_MAX_BYTES: Final = 4 * USER_ID_MAX_CHARACTERS

# Takes the place of an unknown token. It is revoked, so even a secret with its digest authenticates nothing.
_NO_TOKEN: Final = Token(
    digest="0" * 64,
    workspace_id="",
    user_id="",
    permissions=frozenset(),
    created_at=datetime.min.replace(tzinfo=UTC),
    revoked_at=datetime.min.replace(tzinfo=UTC),
)


class TokenLookup(Protocol):
    """A lookup of tokens by digest."""

    async def find(self, digest: str) -> Token | None:
        """Return the token with that digest; None if it is certainly unknown.

        Raises `TokensUnavailableError` if that is not certain.
        """
        ...


class TokenStore(TokenLookup, Protocol):
    """The port to the store of tokens."""

    async def ping(self) -> None:
        """Raise `TokensUnavailableError` unless `find` would answer now."""
        ...

    async def list(self) -> Sequence[Token]:
        """Return all tokens, including revoked and expired ones; raises `TokensUnavailableError`."""
        ...


async def authenticate(headers: MultiMapping[str], tokens: TokenLookup, now: datetime) -> Token:
    """Return the token of a request; raises `NotLoggedInError` if it does not authenticate the request."""
    user_id, secret = credentials_of(headers)
    digest = digest_of(secret)
    token = await tokens.find(digest) or _NO_TOKEN
    failures: dict[LoginFailure, bool] = {
        "unknown": not hmac.compare_digest(token.digest, digest),
        "revoked": token.is_revoked,
        "expired": token.is_expired(now),
        "wrong-user": not hmac.compare_digest(_padded(token.user_id), _padded(user_id)),
    }
    # All were evaluated above: unknown, expired, revoked and wrong-user tokens must take the same time.
    for failure, found in failures.items():
        if found:
            raise NotLoggedInError(failure)
    return token


def credentials_of(headers: MultiMapping[str]) -> tuple[str, str]:
    """Return user id and secret; raises `NotLoggedInError` unless each header was sent exactly once."""
    user_id = _only_value(headers.getall("x-user-id", ()), USER_ID_MAX_CHARACTERS)
    return user_id, _only_value(headers.getall("x-auth-token", ()), _SECRET_MAX_CHARACTERS)


def authorise(token: Token, permission: Permission) -> None:
    """Raise `NotPermittedError` unless the token carries the permission."""
    if permission not in token.permissions:
        raise NotPermittedError


def _only_value(values: Sequence[str], max_characters: int) -> str:
    # A repeated header is refused: a proxy in front may have checked the other value.
    if len(values) != 1 or not 1 <= len(values[0]) <= max_characters:
        raise NotLoggedInError("missing")
    return values[0]


def _padded(user_id: str) -> bytes:
    """Pad a user id to a fixed length, so that comparing takes the same time for every user id."""
    # Header bytes that are not UTF-8 arrive as surrogates; encoded like this they never equal the padding.
    return user_id.encode("utf-8", "surrogatepass").ljust(_USER_ID_MAX_BYTES, b"\xff")
