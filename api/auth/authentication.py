"""Who is asking: from the two headers to a token, or to one and the same refusal."""

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
"""All permissions that any answer depends on."""

_SECRET_MAX_CHARACTERS: Final = 256
_USER_ID_MAX_BYTES: Final = 4 * USER_ID_MAX_CHARACTERS

# Stands in for a token that is not there; it is revoked, so that even its own digest would open nothing.
_NO_TOKEN: Final = Token(
    digest="0" * 64,
    workspace_id="",
    user_id="",
    permissions=frozenset(),
    created_at=datetime.min.replace(tzinfo=UTC),
    revoked_at=datetime.min.replace(tzinfo=UTC),
)


class TokenLookup(Protocol):
    """Whoever knows tokens by their digests."""

    async def find(self, digest: str) -> Token | None:
        """Look a token up by its digest; None says that it is unknown, for certain.

        Raises `TokensUnavailableError` where that is not certain.
        """
        ...


class TokenStore(TokenLookup, Protocol):
    """What the API asks of wherever tokens are kept."""

    async def ping(self) -> None:
        """Return if `find` could answer now, else raise `TokensUnavailableError`."""
        ...

    async def list(self) -> Sequence[Token]:
        """Read all tokens, revoked and expired ones too; raises `TokensUnavailableError`."""
        ...


async def authenticate(headers: MultiMapping[str], tokens: TokenLookup, now: datetime) -> Token:
    """Find the token of the request, raising `NotLoggedInError` for whatever is wrong with it."""
    user_id, secret = credentials_of(headers)
    digest = digest_of(secret)
    token = await tokens.find(digest) or _NO_TOKEN
    failures: dict[LoginFailure, bool] = {
        "unknown": not hmac.compare_digest(token.digest, digest),
        "revoked": token.is_revoked,
        "expired": token.is_expired(now),
        "wrong-user": not hmac.compare_digest(_padded(token.user_id), _padded(user_id)),
    }
    # Only now is any of them looked at: unknown, expired, revoked and wrong-user tokens cost the same work.
    for failure, found in failures.items():
        if found:
            raise NotLoggedInError(failure)
    return token


def credentials_of(headers: MultiMapping[str]) -> tuple[str, str]:
    """Read user id and secret, raising `NotLoggedInError` unless both are there, once."""
    user_id = _only_value(headers.getall("x-user-id", ()), USER_ID_MAX_CHARACTERS)
    return user_id, _only_value(headers.getall("x-auth-token", ()), _SECRET_MAX_CHARACTERS)


def authorise(token: Token, permission: Permission) -> None:
    """Raise `NotPermittedError` unless the token carries the permission."""
    if permission not in token.permissions:
        raise NotPermittedError


def _only_value(values: Sequence[str], max_characters: int) -> str:
    # A header sent twice is refused: a proxy in front might have checked the other one.
    if len(values) != 1 or not 1 <= len(values[0]) <= max_characters:
        raise NotLoggedInError("missing")
    return values[0]


def _padded(user_id: str) -> bytes:
    """Bring a user id to the one length that all have here, with bytes that no text is written in."""
    # Header bytes that are no UTF-8 come as surrogates; written as such, none of them is the padding.
    return user_id.encode("utf-8", "surrogatepass").ljust(_USER_ID_MAX_BYTES, b"\xff")
