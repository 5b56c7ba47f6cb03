"""The fold: turns a batch of events into additions to counters. Pure, and independent of their order."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final, NamedTuple

import msgspec

from ingest.events.event import Event
from projector.activity_filter import ActivityFilter
from projector.calendar import Calendar, bucket_of, end_of, start_of
from projector.counted_users import CountedUsers
from projector.expiry import ExpiryCause, count_causes
from projector.keys import Counter

UserIds = Mapping[str, set[str]]
"""The users of each workspace."""

_NEVER: Final = datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)
_packer = msgspec.msgpack.Encoder()


class Addition(NamedTuple):
    """The users to add to a counter, by their ids. It expires at that second of the epoch (0: never).

    No other addition shares the set. If the expiry is set already, it is set again only for a new counter.
    """

    counter: Counter
    expires_at: int
    user_ids: set[str]
    is_expiry_set: bool = False


@dataclass(frozen=True, slots=True)
class Fold:
    """Additions, one for each counter, and the numbers of events that are in none.

    `ignored` events are excluded by the activity filter. Of the others some are anonymous, and some are older
    than the retention: `causes` counts the latter by cause.
    """

    additions: Sequence[Addition]
    ignored: int
    anonymous: int
    causes: Mapping[ExpiryCause, int]

    @property
    def expired(self) -> int:
        """The number of events that are older than the retention."""
        return sum(self.causes.values())


def pack(additions: Iterable[Addition], counted_users: CountedUsers) -> bytes:
    """Encode additions as the argument of `add.lua`, in their order, with pseudonyms in place of user ids."""
    packed: list[object] = []
    for counter, expires_at, user_ids, is_expiry_set in additions:
        users = counted_users.of(counter.workspace_id, user_ids)
        packed += (expires_at, is_expiry_set, len(users))
        packed += users
    return _packer.encode(packed)


def fold(
    events: Collection[Event],
    calendar: Calendar,
    activity_filter: ActivityFilter,
    now: datetime,
    *,
    stamp: int | None = None,
) -> Fold:
    """Return the additions to the counters of days and buckets; `now` is aware, `stamp` as in `Batch`."""
    counted = activity_filter.of(events)
    buckets, anonymous = _by_bucket(counted)
    causes = _drop_expired(buckets, counted, calendar, now, stamp)
    additions = [*_days(buckets, counted, calendar), *_buckets(buckets, calendar, now)]
    return Fold(additions, len(events) - len(counted), anonymous, causes)


def _by_bucket(events: Iterable[Event]) -> tuple[dict[int, dict[str, set[str]]], int]:
    """Return the users of each bucket's workspaces, and how many events are anonymous."""
    buckets: defaultdict[int, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    workspaces: defaultdict[str, set[str]] = defaultdict(set)
    anonymous = 0
    start, end = _NEVER
    for event in events:
        if event.user_id is None:
            anonymous += 1
            continue
        # Most events are in the bucket of the previous one: two comparisons cost a sixth of `bucket_of`.
        if not start <= event.occurred_at <= end:
            bucket = bucket_of(event.occurred_at)
            start, end = start_of(bucket), end_of(bucket)
            workspaces = buckets[bucket]
        workspaces[event.workspace_id].add(event.user_id)
    return dict(buckets), anonymous


def _drop_expired(
    buckets: dict[int, dict[str, set[str]]],
    events: Iterable[Event],
    calendar: Calendar,
    now: datetime,
    stamp: int | None,
) -> Mapping[ExpiryCause, int]:
    """Remove the buckets of expired days, and return the causes of their events' expiry."""
    oldest = calendar.oldest_bucket(now)
    if oldest is None or min(buckets, default=oldest) >= oldest:
        return {}  # the usual case: avoids a check of each event's instant
    for bucket in [bucket for bucket in buckets if bucket < oldest]:
        del buckets[bucket]
    kept_from = start_of(oldest)
    return count_causes(
        (each.occurred_at for each in events if each.user_id is not None and each.occurred_at < kept_from),
        stamp=stamp,
        now=now,
        kept_from=calendar.kept_from,
    )


def _days(buckets: Mapping[int, UserIds], events: Iterable[Event], calendar: Calendar) -> Iterable[Addition]:
    """Merge buckets into days; a bucket that spans two days is split by the instants of its events."""
    days: defaultdict[date, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    split: set[int] = set()
    for bucket, workspaces in buckets.items():
        whole_day = calendar.whole_day_of(bucket)
        if whole_day is None:
            split.add(bucket)
            continue
        day = days[whole_day]
        for workspace_id, user_ids in workspaces.items():
            day[workspace_id] |= user_ids
    if split:
        for event in events:
            if event.user_id is not None and bucket_of(event.occurred_at) in split:
                days[calendar.date_of(event.occurred_at)][event.workspace_id].add(event.user_id)
    for period, workspaces in days.items():
        expires_at = calendar.day_expires_at(period)
        for workspace_id, user_ids in workspaces.items():
            yield Addition(Counter(workspace_id, period), expires_at, user_ids)


def _buckets(buckets: Mapping[int, UserIds], calendar: Calendar, now: datetime) -> Iterable[Addition]:
    for bucket, workspaces in buckets.items():
        expires_at = calendar.bucket_expires_at(bucket)
        if expires_at == 0 or expires_at > now.timestamp():
            for workspace_id, user_ids in workspaces.items():
                yield Addition(Counter(workspace_id, bucket), expires_at, user_ids, is_expiry_set=True)
