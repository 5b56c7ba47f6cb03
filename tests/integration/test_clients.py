"""The clients of Redis notice what happened to their connections while nobody asked anything."""

from collections.abc import Callable

import pytest
from redis.asyncio import Redis

from embedded import EmbeddedValkey
from headcount.clients import api_redis, worker_redis
from headcount.wiring import Config, load_config
from tests.support.servers import Servers
from tests.support.waiting import wait_until


@pytest.mark.parametrize("make", [api_redis, worker_redis])
async def test_a_connection_that_was_closed_meanwhile_is_replaced(
    embedded_valkey: Servers[EmbeddedValkey], make: Callable[[Config], Redis]
) -> None:
    """As after a restart of Redis, or after its `timeout`: the first request must not pay for it."""
    valkey = await embedded_valkey.start()
    async with make(load_config({"REDIS_URL": valkey.url})) as client, Redis.from_url(valkey.url) as admin:
        number = await client.client_id()
        await admin.client_kill_filter(_id=str(number))

        async def is_gone() -> bool:
            return all(int(each["id"]) != number for each in await admin.client_list())

        await wait_until(is_gone, message="Redis had closed the connection")
        assert await client.client_id() != number
