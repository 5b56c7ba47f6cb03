"""The tokens in Redis: one hash from a token's digest to its grants, as JSON."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Final

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from api.auth.tokens import Token
from api.errors import NoTokensError, TokensUnavailableError
from projector import keys

_decoder: Final = msgspec.json.Decoder(Token)


class RedisTokenStore:
    """The token store on a client that does not decode responses; the client belongs to the caller.

    Every method raises `TokensUnavailableError` if Redis does not answer or answers with an error.
    """

    def __init__(self, client: Redis) -> None:
        self._client = client

    async def find(self, digest: str) -> Token | None:
        """Return the token with that digest; None if it is unknown.

        Raises `NoTokensError` if the store is empty (new, flushed, restored without data): a token cannot be
        said to be unknown then, and clients should keep theirs and try again.
        """
        with _translated_errors():
            # Always both: the duration must not reveal whether a token is known.
            record, exists = await asyncio.gather(
                self._client.hget(keys.ONLY.tokens, digest), self._client.exists(keys.ONLY.tokens)
            )
        if not exists:
            raise _no_tokens()
        return None if record is None else _decode(record)

    async def ping(self) -> None:
        """Raise what `find` would raise now."""
        with _translated_errors():
            exists = await self._client.exists(keys.ONLY.tokens)
        if not exists:
            raise _no_tokens()

    async def add(self, token: Token) -> None:
        """Store a token. Raises `ValueError` for a workspace id that no event can have.

        Every token is added here: its workspace id becomes part of the keys that are read for it.
        """
        if not keys.is_workspace_id(token.workspace_id):
            raise ValueError("a workspace id must be 1 to 64 characters from A-Z a-z 0-9 . _ -")
        await self._write(token)

    async def list(self) -> list[Token]:
        """Return all tokens, oldest first, including revoked and expired ones."""
        with _translated_errors():
            records = await self._client.hvals(keys.ONLY.tokens)
        return sorted(map(_decode, records), key=lambda token: token.created_at)

    async def revoke(self, token_id: str, revoked_at: datetime) -> Token | None:
        """Revoke the token with that public id and return it; None if there is none.

        A token that is already revoked keeps its first `revoked_at`.
        """
        token = next((token for token in await self.list() if token.id == token_id), None)
        if token is None or token.revoked_at is not None:
            return token
        revoked = replace(token, revoked_at=revoked_at)
        await self._write(revoked)
        return revoked

    async def _write(self, token: Token) -> None:
        with _translated_errors():
            await self._client.hset(keys.ONLY.tokens, token.digest, msgspec.json.encode(token))


@contextmanager
def _translated_errors() -> Iterator[None]:
    # Not only lost connections: a Redis that is loading or busy cannot say whether a token is known either.
    try:
        yield
    except (RedisError, OSError) as error:
        raise TokensUnavailableError(f"the tokens in Redis are unavailable: {error}") from error


def _no_tokens() -> NoTokensError:
    return NoTokensError("Redis contains no tokens: create one, or restore Redis if it contained some")


def _decode(record: bytes | str) -> Token:
    try:
        return _decoder.decode(record)
    except msgspec.MsgspecError as error:
        raise TokensUnavailableError(f"a token in Redis is malformed: {error}") from error
