"""A start is refused on a server on which counters could vanish or the scripts would not run."""

from typing import cast

import pytest
from redis.asyncio import Redis

from ingest.errors import OperatorError
from projector.redis.server import check_server


class FakeServer:
    """Answers INFO with what a test says, and nothing else."""

    def __init__(self, **facts: str) -> None:
        self._facts = facts

    async def info(self, _section: str) -> dict[str, str]:
        return self._facts


async def _check(**facts: str) -> None:
    await check_server(cast("Redis", FakeServer(**facts)))


@pytest.mark.parametrize("version", ["7.0.0", "7.0.15", "7.2.4", "8.0.0", "10.1.0", "255.255.255"])
async def test_a_server_that_is_new_enough_will_do(version: str) -> None:
    await _check(redis_version=version, maxmemory_policy="noeviction")


@pytest.mark.parametrize("version", ["6.2.14", "6.9.9", "5.0.0", "2.8.0"])
async def test_a_server_that_is_too_old_is_refused(version: str) -> None:
    with pytest.raises(OperatorError, match=rf"^Redis is {version}; wanted is 7\.0 or newer"):
        await _check(redis_version=version, maxmemory_policy="noeviction")


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-random", "volatile-lru", "volatile-ttl"])
async def test_a_server_that_evicts_is_refused(policy: str) -> None:
    with pytest.raises(
        OperatorError, match=rf"^Redis' maxmemory-policy is {policy}: .* Set it to noeviction"
    ):
        await _check(redis_version="7.2.4", maxmemory_policy=policy)


async def test_a_server_that_tells_neither_is_given_the_benefit_of_the_doubt() -> None:
    await _check()
