"""The tokens in Redis: one hash, from a token's digest to what it grants, as JSON."""

import asyncio
import re
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
from ingest.events.event import WORKSPACE_ID_FORM
from projector import keys

_is_workspace_id: Final = re.compile(WORKSPACE_ID_FORM).match
_decoder: Final = msgspec.json.Decoder(Token)


class RedisTokenStore:
    """Tokens on a client that does not decode responses; the client belongs to the caller.

    Every method raises `TokensUnavailableError` when Redis does not answer, or answers with an error.
    """

    def __init__(self, client: Redis) -> None:
        self._client = client

    async def find(self, digest: str) -> Token | None:
        """Look a token up by its digest.

        A store that holds no token at all (new, flushed, restored from nothing) can't say that one is
        unknown: that raises `NoTokensError`, so that clients keep their tokens and try again.
        """
        with _naming_errors():
            # Both, always: how long it takes is not to tell whether a token is known.
            record, exists = await asyncio.gather(
                self._client.hget(keys.ONLY.tokens, digest), self._client.exists(keys.ONLY.tokens)
            )
        if not exists:
            raise _no_tokens()
        return None if record is None else _decode(record)

    async def ping(self) -> None:
        """Return if `find` could answer now; raises as `find` does."""
        with _naming_errors():
            exists = await self._client.exists(keys.ONLY.tokens)
        if not exists:
            raise _no_tokens()

    async def add(self, token: Token) -> None:
        """Keep a token. Raises `ValueError` for a workspace id that no event could carry.

        This is the only way in, and a token's workspace id becomes part of the keys that are read for it.
        """
        if not _is_workspace_id(token.workspace_id):
            raise ValueError("a workspace id must be 1 to 64 of A-Z a-z 0-9 . _ -")
        await self._write(token)

    async def list(self) -> list[Token]:
        """Read all tokens, oldest first, revoked and expired ones too."""
        with _naming_errors():
            records = await self._client.hvals(keys.ONLY.tokens)
        return sorted(map(_decode, records), key=lambda token: token.created_at)

    async def revoke(self, token_id: str, revoked_at: datetime) -> Token | None:
        """Revoke the token of that public id and return it, or None if there is none.

        One that was revoked before keeps the instant of the first time.
        """
        token = next((token for token in await self.list() if token.id == token_id), None)
        if token is None or token.revoked_at is not None:
            return token
        revoked = replace(token, revoked_at=revoked_at)
        await self._write(revoked)
        return revoked

    async def _write(self, token: Token) -> None:
        with _naming_errors():
            await self._client.hset(keys.ONLY.tokens, token.digest, msgspec.json.encode(token))


@contextmanager
def _naming_errors() -> Iterator[None]:
    # Not only lost connections: a Redis that is loading, busy or full can't vouch for a token either.
    try:
        yield
    except (RedisError, OSError) as error:
        raise TokensUnavailableError(f"the tokens can't be reached in Redis: {error}") from error


def _no_tokens() -> NoTokensError:
    return NoTokensError("Redis holds no tokens: create one, or restore Redis if there were some")


def _decode(record: bytes | str) -> Token:
    try:
        return _decoder.decode(record)
    except msgspec.MsgspecError as error:
        raise TokensUnavailableError(f"a token in Redis can't be read: {error}") from error
