"""How a fake consumer stays in its group, in the order in which aiokafka's coordinator does things."""

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from aiokafka.errors import (
    IllegalGenerationError,
    KafkaError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

from tests.simulation.broker import Broker
from tests.simulation.group import Seat

RETRY_SECONDS: Final = 0.1
PUT_OUT: Final = (UnknownMemberIdError, IllegalGenerationError, RebalanceInProgressError)


class Membership:
    """Joins, and rejoins at every rebalance; `known` are the partitions that the member knows of."""

    def __init__(
        self, broker: Broker, chance: random.Random, *, heartbeat_seconds: float, metadata_seconds: float
    ) -> None:
        self.id = f"member-{chance.getrandbits(32):08x}"
        self.seat: Seat | None = None
        self.known: Sequence[int] = ()
        self._broker = broker
        self._chance = chance
        self._heartbeat_seconds = heartbeat_seconds
        self._metadata_seconds = metadata_seconds
        self._joined_knowing: Sequence[int] = ()

    @property
    def generation(self) -> int:
        return -1 if self.seat is None else self.seat.generation

    async def stay(
        self, on_revoked: Callable[[], None], on_seat: Callable[[Seat], None], on_assigned: Callable[[], None]
    ) -> None:
        """Never end."""
        while True:
            on_revoked()
            self.seat = await self._join()
            on_seat(self.seat)
            for _ in range(self._chance.randrange(4)):
                await asyncio.sleep(0)  # aiokafka ends a task of its own here, with polls already under way
            on_assigned()
            await self._keep_seat()

    async def stay_informed(self) -> None:
        """Learn of new partitions now and then; never end."""
        while True:
            await asyncio.sleep(self._metadata_seconds)
            with suppress(KafkaError):
                await self.learn()

    async def learn(self) -> None:
        self.known = await self._broker.network.request("metadata", self._broker.numbers)

    async def close_within(self) -> None:
        """Try once, as aiokafka does."""
        with suppress(KafkaError):
            await self._broker.network.request("leave", lambda: self._broker.group.close_within(self.id))

    async def _join(self) -> Seat:
        while True:
            self._joined_knowing = self.known
            try:
                seat: object = await self._broker.network.request("join", self._join_group)
            except KafkaError:
                await asyncio.sleep(RETRY_SECONDS)
            else:
                assert isinstance(seat, Seat)
                return seat

    def _join_group(self) -> object:
        return self._broker.group.join(self.id, self._joined_knowing)

    async def _keep_seat(self) -> None:
        """Return when the group must be rejoined."""
        while not (self.seat and self.seat.is_leader and self.known != self._joined_knowing):
            await asyncio.sleep(self._heartbeat_seconds)
            try:
                await self._broker.network.request("heartbeat", self._beat)
            except PUT_OUT:
                return
            except KafkaError:
                continue

    def _beat(self) -> None:
        self._broker.group.heartbeat(self.id, self.generation)
