"""The requirements on the Redis server: a version with the needed commands, and no eviction."""

import re
from typing import cast

import pytest
from redis.asyncio import Redis

from ingest.errors import OperatorError
from projector.redis.server import check_server


class FakeServer:
    """Answers INFO with the given fields, and no other command."""

    def __init__(self, **facts: str) -> None:
        self._facts = facts

    async def info(self, _section: str) -> dict[str, str]:
        return self._facts


async def _check(**facts: str) -> None:
    await check_server(cast("Redis", FakeServer(**facts)))


@pytest.mark.parametrize("version", ["7.0.0", "7.0.15", "7.2.4", "8.0.0", "10.1.0", "255.255.255"])
async def test_a_recent_server_is_accepted(version: str) -> None:
    await _check(redis_version=version, maxmemory_policy="noeviction")


@pytest.mark.parametrize("version", ["6.2.14", "6.9.9", "5.0.0", "2.8.0"])
async def test_an_old_server_is_rejected(version: str) -> None:
    with pytest.raises(OperatorError, match=rf"^Redis {re.escape(version)} is too old: use Redis 7\.0"):
        await _check(redis_version=version, maxmemory_policy="noeviction")


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-random", "volatile-lru", "volatile-ttl"])
async def test_a_server_that_evicts_keys_is_rejected(policy: str) -> None:
    with pytest.raises(
        OperatorError, match=rf"^Redis' maxmemory-policy is {policy}: .* Set it to noeviction"
    ):
        await _check(redis_version="7.2.4", maxmemory_policy=policy)


async def test_a_server_that_reports_neither_version_nor_policy_is_accepted() -> None:
    await _check()
