"""The fold: what a batch of events means for the counters. Pure, and the same in any order."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from ingest.event import Event
from projector.calendar import Calendar, bucket_of
from projector.keys import Counter
from projector.people import Naming

UsersByBucket = Mapping[tuple[str, int], set[str]]
_packer = msgspec.msgpack.Encoder()


@dataclass(frozen=True, slots=True)
class Addition:
    """The pseudonyms to add to a counter, which expires at that second of the epoch (0: never)."""

    counter: Counter
    expires_at: int
    users: set[str]


@dataclass(frozen=True, slots=True)
class Fold:
    """Additions, one a counter, and the number of events in none.

    `ignored` are those that the deployment leaves out; of the others some are anonymous, or older than the
    retention.
    """

    additions: list[Addition]
    ignored: int
    anonymous: int
    expired: int


def pack(additions: Iterable[Addition]) -> bytes:
    """Put additions into the form that the scripts take, beside their keys."""
    return _packer.encode([(addition.expires_at, addition.users) for addition in additions])


def fold(events: Collection[Event], calendar: Calendar, people: Naming, now: datetime) -> Fold:
    """Sort events into the counters of their days and buckets; `now` is aware."""
    oldest = calendar.oldest_bucket(now)
    user_ids: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
    anonymous = expired = 0
    counted = people.audience.of(events)
    for event in counted:
        bucket = bucket_of(event.occurred_at)
        if event.user_id is None:
            anonymous += 1
        elif oldest is not None and bucket < oldest:
            expired += 1
        else:
            user_ids[event.workspace_id, bucket].add(event.user_id)
    buckets = {place: people.of(place[0], found) for place, found in user_ids.items()}
    additions = [*_days(buckets, calendar), *_buckets(buckets, calendar, now)]
    return Fold(additions, len(events) - len(counted), anonymous, expired)


def _days(buckets: UsersByBucket, calendar: Calendar) -> Iterable[Addition]:
    """Unite buckets into days: each bucket lies wholly in one."""
    days: dict[Counter, Addition] = {}
    for (workspace_id, bucket), users in buckets.items():
        day = calendar.day_of(bucket)
        counter = Counter(workspace_id, day)
        if counter not in days:
            days[counter] = Addition(counter, calendar.day_expires_at(day), set())
        days[counter].users.update(users)
    return days.values()


def _buckets(buckets: UsersByBucket, calendar: Calendar, now: datetime) -> Iterable[Addition]:
    for (workspace_id, bucket), users in buckets.items():
        expires_at = calendar.bucket_expires_at(bucket)
        if expires_at == 0 or expires_at > now.timestamp():
            yield Addition(Counter(workspace_id, bucket), expires_at, users)
