"""The members of a consumer group are counted also while the group moves to another broker."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
)

from ingest.kafka.topics import count_group_members


class Admin:
    """Answers with one error code after another, then with two members."""

    def __init__(self, *codes: int) -> None:
        self._codes = list(codes)

    async def describe_consumer_groups(self, group_ids: list[str]) -> list[Any]:
        code = self._codes.pop(0) if self._codes else 0
        return [SimpleNamespace(groups=[(code, group_ids[0], "Stable", "consumer", "range", ["a", "b"])])]


async def test_a_group_that_moves_to_another_broker_is_asked_for_again() -> None:
    admin = Admin(NotCoordinatorForGroupError.errno, GroupLoadInProgressError.errno)
    assert await count_group_members(admin, "group") == 2


async def test_any_other_error_is_raised_at_once() -> None:
    admin = Admin(GroupAuthorizationFailedError.errno)
    with pytest.raises(GroupAuthorizationFailedError):
        await count_group_members(admin, "group")
