"""The implementations that each suite runs on: the fake, and the real one on its server."""

from collections.abc import Callable

import pytest
from redis.asyncio import Redis

from tests.fakes_projection import Projected
from tests.suites.projections import ObservedFake, ObservedProjection, ObservedRedis

Make = Callable[[], ObservedProjection]


@pytest.fixture(params=["fake", "redis"])
def make_projection(request: pytest.FixtureRequest) -> Make:
    """Make projections that share what they store, as several workers' do."""
    if request.param == "fake":
        stored = Projected()
        return lambda: ObservedFake(stored)
    redis: Redis = request.getfixturevalue("redis_client")
    return lambda: ObservedRedis(redis)


@pytest.fixture
def observed(make_projection: Make) -> ObservedProjection:
    return make_projection()


@pytest.fixture
def another(make_projection: Make) -> ObservedProjection:
    """Another worker's projection, beside `observed`."""
    return make_projection()
