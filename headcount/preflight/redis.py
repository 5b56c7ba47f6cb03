"""Explains at the start why Redis refuses a connection for a reason that does not pass by itself."""

import asyncio
from collections.abc import Awaitable
from contextlib import closing
from typing import Final

from redis.asyncio import Redis
from redis.asyncio.connection import parse_url
from redis.exceptions import AuthenticationError, RedisError

from headcount import tls
from headcount.wiring import Config
from ingest.errors import OperatorError
from projector.redis.errors import describe, lacks_right

PORT: Final = 6379


async def check_redis_login(redis: Redis, config: Config) -> None:
    """Try once to connect and to log in.

    Raises `OperatorError` if Redis answers and refuses for a reason that does not pass by itself; returns if
    it is only down.
    """
    try:
        async with redis.client() as connection:
            await connection.initialize()
    except RedisError as error:
        sentence = await _refusal(config, error)
        if sentence:
            raise OperatorError(sentence) from error


async def check_rights(*commands: Awaitable[object]) -> None:
    """Run commands that the process needs later; raises `OperatorError` if the user lacks a right."""
    for outcome in await asyncio.gather(*commands, return_exceptions=True):
        cause = outcome.__cause__ if isinstance(outcome, Exception) else None
        if isinstance(cause, RedisError) and lacks_right(cause):
            raise OperatorError(f"Redis denies the command: {describe(cause)}")


async def _refusal(config: Config, error: RedisError) -> str | None:
    if isinstance(error, AuthenticationError):
        return (
            "Redis does not accept the user and the password in REDIS_URL and REDIS_PASSWORD: correct them, "
            "or create that user in Redis, as in deploy/redis/users.acl."
        )
    return tls.certificate_refusal(error, "REDIS") or await _refusal_of_server(config)


async def _refusal_of_server(config: Config) -> str | None:
    url = config.redis.url
    connection = parse_url(url)
    host, port = connection.get("host"), connection.get("port", PORT)
    if not host:
        return None  # a Unix socket
    if url.startswith("rediss:"):
        if await _speaks_plainly(host, port):
            return _wrong_scheme(f"{host}:{port} does not use TLS", "redis")
        return await tls.own_certificate_refusal(config, "REDIS", host, port)
    return _wrong_scheme(f"{host}:{port} uses TLS", "rediss") if await tls.speaks_tls(host, port) else None


def _wrong_scheme(found: str, scheme: str) -> str:
    return f"Redis at {found}: use {scheme}:// in REDIS_URL, or another port."


async def _speaks_plainly(host: str, port: int) -> bool:
    """Return whether a command without TLS is answered, even with an error."""
    try:
        async with asyncio.timeout(tls.PROBE_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            with closing(writer):
                writer.write(b"PING\r\n")
                return await reader.read(1) in {b"+", b"-"}
    except (OSError, TimeoutError):
        return False
