"""What every peer counts: the distinct users of each workspace and day, in Redis, with PFADD."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

from redis import Redis

DAY: Final = slice(len("2026-11-22"))
"""The instants of the backlog are in UTC, so the day needs no parsing: the cheapest way there is."""

Event = Mapping[str, Any]


def key_of(event: Event) -> str:
    """Return the key of the counter that the event belongs to."""
    return f"{event['workspace_id']}:{event['occurred_at'][DAY]}"


def fold(events: Iterable[Event]) -> Mapping[str, set[str]]:
    """Gather the users of each counter, once each."""
    users: defaultdict[str, set[str]] = defaultdict(set)
    for event in events:
        users[key_of(event)].add(event["user_id"])
    return users


def add(redis: Redis, users: Iterable[tuple[str, set[str]]]) -> None:
    """Add users to their counters: one PFADD a counter, all in one round trip."""
    pipeline = redis.pipeline(transaction=False)
    for key, some in users:
        pipeline.pfadd(key, *some)
    pipeline.execute()
