"""Closing Kafka clients: no client's way to close ends a stop with an error of its own."""

import asyncio

import pytest

from ingest.kafka.shutdown import close_within


async def test_a_client_that_lets_its_own_cancellation_through_is_closed() -> None:
    async def closing() -> None:
        raise asyncio.CancelledError

    await close_within("part", closing())


async def test_an_error_of_a_client_that_closes_is_raised() -> None:
    async def closing() -> None:
        raise OSError("broken")

    with pytest.raises(OSError, match="broken"):
        await close_within("part", closing())
