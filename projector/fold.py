"""The fold: what a batch of events means for the counters. Pure, and the same in any order."""

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
"""Of each workspace."""

_NEVER: Final = datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)
_packer = msgspec.msgpack.Encoder()


class Addition(NamedTuple):
    """The users to add to a counter, by their ids. It expires at that second of the epoch (0: never).

    No other addition shares its set. Where the expiry stands, only a counter that is made now is told of it.
    """

    counter: Counter
    expires_at: int
    user_ids: set[str]
    expiry_stands: bool = False


@dataclass(frozen=True, slots=True)
class Fold:
    """Additions, one a counter, and the number of events in none.

    `ignored` are those that the deployment leaves out; of the others some are anonymous, or older than the
    retention, which `causes` counts by why.
    """

    additions: Sequence[Addition]
    ignored: int
    anonymous: int
    causes: Mapping[ExpiryCause, int]

    @property
    def expired(self) -> int:
        """How many events are older than the retention."""
        return sum(self.causes.values())


def pack(additions: Iterable[Addition], counted_users: CountedUsers) -> bytes:
    """Put additions into the form that the scripts take, beside their keys: users by their pseudonyms."""
    packed: list[object] = []
    for counter, expires_at, user_ids, expiry_stands in additions:
        users = counted_users.of(counter.workspace_id, user_ids)
        packed += (expires_at, expiry_stands, len(users))
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
    """Sort events into the counters of their days and buckets; `now` is aware, `stamp` as in `Batch`."""
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
        # Most events are in the bucket of the one before: two comparisons, for six times the price of one.
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
    """Take out the buckets before the oldest that is kept, and return why their events expired."""
    oldest = calendar.oldest_bucket(now)
    if oldest is None or min(buckets, default=oldest) >= oldest:
        return {}  # as nearly always: no look at each event's own instant
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
    """Unite buckets into days; where the instants of one are of several days, its events decide."""
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
                yield Addition(Counter(workspace_id, bucket), expires_at, user_ids, expiry_stands=True)
