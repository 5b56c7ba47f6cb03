"""The coordinator of the fake Kafka's consumer group: who is a member, and who reads which partition."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aiokafka.errors import (
    IllegalGenerationError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

from tests.simulation.loop import SimulatedLoop

SESSION_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Seat:
    """A member's share, assigned once all have joined. The leader watches the topic for new partitions."""

    generation: int
    numbers: frozenset[int]
    is_leader: bool


@dataclass(slots=True)
class Member:
    """A member as the coordinator sees it; `joining` is set while it waits for the others."""

    expires_at: float
    numbers: Sequence[int] = ()
    joining: asyncio.Future[Seat] | None = None


class Group:
    """The classic protocol: at a rebalance all members rejoin before any of them is assigned a partition."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self.committed: dict[int, int] = {}
        self._loop = loop
        self._generation = 0
        self._stable = True
        self._members: dict[str, Member] = {}

    def join(self, member_id: str, numbers: Sequence[int]) -> asyncio.Future[Seat]:
        """Join or rejoin, knowing of these partitions; done when every other member has."""
        member = self._members.get(member_id)
        if member is None:
            member = self._members[member_id] = Member(self._loop.time() + SESSION_SECONDS)
            self._watch(member_id)
        if member.joining is not None:
            member.joining.cancel()
        member.numbers = numbers
        member.joining = self._loop.create_future()
        joining = member.joining
        self._stable = False
        self._complete_if_all_joined()
        return joining

    def heartbeat(self, member_id: str, generation: int) -> None:
        self._check(member_id, generation)
        self._members[member_id].expires_at = self._loop.time() + SESSION_SECONDS
        if not self._stable:
            raise RebalanceInProgressError

    def close_within(self, member_id: str) -> None:
        member = self._members.pop(member_id, None)
        if member is None:
            return
        if member.joining is not None:
            member.joining.cancel()
        self.rebalance()

    def rebalance(self) -> None:
        """Have all members rejoin."""
        self._stable = False
        self._complete_if_all_joined()

    def commit(self, member_id: str, generation: int, offsets: Mapping[int, int]) -> None:
        self._check(member_id, generation)
        self.committed |= offsets

    def _check(self, member_id: str, generation: int) -> None:
        if member_id not in self._members:
            raise UnknownMemberIdError
        if generation != self._generation:
            raise IllegalGenerationError

    def _watch(self, member_id: str) -> None:
        """Put a member out once its session is over; one that waits for the others is there."""
        member = self._members.get(member_id)
        if member is None:
            return
        now = self._loop.time()
        if member.joining is None and now >= member.expires_at:
            self.close_within(member_id)
            return
        self._loop.later(max(0.5, member.expires_at - now), lambda: self._watch(member_id))

    def _complete_if_all_joined(self) -> None:
        members = sorted(self._members.items())
        if not members or any(member.joining is None for _, member in members):
            return
        self._generation += 1
        self._stable = True
        numbers = members[0][1].numbers
        for turn, (_, member) in enumerate(members):
            mine = frozenset(numbers[turn :: len(members)])
            self._tell(member, Seat(self._generation, mine, is_leader=turn == 0))

    def _tell(self, member: Member, seat: Seat) -> None:
        joining, member.joining = member.joining, None
        member.expires_at = self._loop.time() + SESSION_SECONDS
        if joining is not None:
            joining.set_result(seat)
