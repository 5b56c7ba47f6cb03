"""API tokens: what one grants, how it is created, and its digest; the secret itself is never stored."""

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

USER_ID_MAX_CHARACTERS: Final = 128

_SECRET_BYTES: Final = 32
_PUBLIC_ID_DIGITS: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What one secret grants: a user's permissions in one workspace.

    `digest` is the SHA-256 of the secret, in hex. Instants are aware.
    """

    digest: str
    workspace_id: str
    user_id: str
    permissions: frozenset[str]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    @property
    def id(self) -> str:
        """The token's public id, used to list and revoke tokens; it is not a credential."""
        return self.digest[:_PUBLIC_ID_DIGITS]

    @property
    def is_revoked(self) -> bool:
        return self.revoked_at is not None

    def is_expired(self, now: datetime) -> bool:
        """Return whether the token has expired; it is already expired at `expires_at`."""
        return self.expires_at is not None and now >= self.expires_at

    def is_active(self, now: datetime) -> bool:
        """Return whether the token is neither revoked nor expired."""
        return not self.is_revoked and not self.is_expired(now)


def digest_of(secret: str) -> str:
    """Return the SHA-256 in hex. Header bytes that are not UTF-8 arrive as surrogates; they hash as sent."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def mint(
    *,
    workspace_id: str,
    user_id: str,
    permissions: Iterable[str],
    created_at: datetime,
    expires_at: datetime | None = None,
) -> tuple[Token, str]:
    """Create a token and its secret of 256 random bits; the secret is shown once and not stored.

    Raises `ValueError` for a user id that no client could send in a header.
    """
    if not 1 <= len(user_id) <= USER_ID_MAX_CHARACTERS:
        raise ValueError(f"a user id must have 1 to {USER_ID_MAX_CHARACTERS} characters")
    if not user_id.isprintable() or user_id != user_id.strip():
        raise ValueError("a user id must be printable, without spaces at its ends: it is sent in a header")
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    token = Token(
        digest=digest_of(secret),
        workspace_id=workspace_id,
        user_id=user_id,
        permissions=frozenset(permissions),
        created_at=created_at,
        expires_at=expires_at,
    )
    return token, secret
