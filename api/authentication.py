"""Who is asking: from the two headers to a token, or to one and the same refusal."""

import hmac
from datetime import UTC, datetime
from typing import Final, NewType, Protocol

from multidict import MultiMapping

from api.errors import NotLoggedInError, NotPermittedError
from api.tokens import USER_ID_MAX_CHARACTERS, Token, digest_of

Permission = NewType("Permission", str)

VIEW_ENGAGEMENT_DASHBOARD: Final = Permission("view-engagement-dashboard")

_SECRET_MAX_CHARACTERS: Final = 256

# Stands in for a token that is not there; it is revoked, so that even its own digest would open nothing.
_NO_TOKEN: Final = Token(
    digest="0" * 64,
    workspace_id="",
    user_id="",
    permissions=frozenset(),
    created_at=datetime.min.replace(tzinfo=UTC),
    revoked_at=datetime.min.replace(tzinfo=UTC),
)


class TokenStore(Protocol):
    """What the API asks of wherever tokens are kept."""

    async def find(self, digest: str) -> Token | None:
        """Look a token up by its digest; None says that it is unknown, for certain.

        Raises `TokensUnavailableError` where that is not certain.
        """
        ...

    async def ping(self) -> None:
        """Return if `find` could answer now, else raise `TokensUnavailableError`."""
        ...


async def authenticate(headers: MultiMapping[str], tokens: TokenStore, now: datetime) -> Token:
    """Find the token of the request, raising `NotLoggedInError` for whatever is wrong with it."""
    user_id = _only_value(headers, "x-user-id", USER_ID_MAX_CHARACTERS)
    digest = digest_of(_only_value(headers, "x-auth-token", _SECRET_MAX_CHARACTERS))
    token = await tokens.find(digest) or _NO_TOKEN
    checks = (
        hmac.compare_digest(token.digest, digest),
        hmac.compare_digest(digest_of(token.user_id), digest_of(user_id)),
        token.is_active(now),
    )
    # Only now is any of them looked at: unknown, expired, revoked and wrong-user tokens cost the same work.
    if not all(checks):
        raise NotLoggedInError
    return token


def authorise(token: Token, permission: Permission) -> None:
    """Raise `NotPermittedError` unless the token carries the permission."""
    if permission not in token.permissions:
        raise NotPermittedError


def _only_value(headers: MultiMapping[str], name: str, max_characters: int) -> str:
    # A header sent twice is refused: a proxy in front might have checked the other one.
    values = headers.getall(name, [])
    if len(values) != 1 or not 1 <= len(values[0]) <= max_characters:
        raise NotLoggedInError
    return values[0]
