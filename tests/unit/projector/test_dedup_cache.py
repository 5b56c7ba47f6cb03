"""What was counted lately is not sent again, where the checkpoint says that it is in the counters."""

from collections.abc import Mapping
from datetime import date

from ingest.batch import Batch, Offset, Partition
from projector.dedup_cache import DedupCache
from projector.fold import Addition
from projector.keys import Counter

FIRST, SECOND = Partition("user-activity", 0), Partition("user-activity", 1)
TODAY = Counter("acme", date(2024, 5, 17))
BUCKET = Counter("acme", 1_906_560)


def batch(start: int, end: int, partition: Partition = FIRST) -> Batch:
    return Batch(partition=partition, start=Offset(start), end=Offset(end))


def sent(recent: DedupCache, step: Batch, users: Mapping[Counter, set[str]]) -> Mapping[Counter, set[str]]:
    """Have a batch sent and accepted; return what was sent."""
    additions = [Addition(counter, 0, set(found)) for counter, found in users.items()]
    left = recent.without_known(step, additions)
    sent = {addition.counter: set(addition.user_ids) for addition in left}
    recent.remember(step, left)
    return sent


def test_who_was_counted_is_not_sent_again() -> None:
    recent = DedupCache()
    assert sent(recent, batch(0, 5), {TODAY: {"a", "b"}}) == {TODAY: {"a", "b"}}
    assert sent(recent, batch(5, 9), {TODAY: {"b", "c"}, BUCKET: {"b"}}) == {TODAY: {"c"}, BUCKET: {"b"}}
    assert sent(recent, batch(9, 9), {TODAY: {"a", "b", "c"}, BUCKET: {"b"}}) == {}


def test_a_batch_that_does_not_follow_is_sent_whole() -> None:
    recent = DedupCache()
    sent(recent, batch(0, 5), {TODAY: {"a"}})
    assert sent(recent, batch(4, 6), {TODAY: {"a"}}) == {TODAY: {"a"}}
    assert sent(recent, batch(6, 7), {TODAY: {"a", "b"}}) == {TODAY: {"b"}}


def test_a_batch_that_was_not_accepted_does_not_count() -> None:
    recent = DedupCache()
    sent(recent, batch(0, 5), {TODAY: {"a"}})
    refused = [Addition(TODAY, 0, {"a", "b"})]
    recent.without_known(batch(5, 9), refused)
    assert [each.user_ids for each in recent.without_known(batch(5, 9), refused)] == [{"b"}]


def test_what_another_partition_brought_is_sent() -> None:
    """Its checkpoint may be put back behind that by itself."""
    recent = DedupCache()
    sent(recent, batch(0, 5), {TODAY: {"a"}})
    assert sent(recent, batch(0, 5, SECOND), {TODAY: {"a"}}) == {TODAY: {"a"}}


def test_what_is_forgotten_is_sent() -> None:
    recent = DedupCache()
    sent(recent, batch(0, 5), {TODAY: {"a"}})
    recent.forget()
    assert sent(recent, batch(5, 9), {TODAY: {"a"}}) == {TODAY: {"a"}}


def test_no_more_is_remembered_than_there_is_room_for() -> None:
    recent = DedupCache(remembered=10)
    sent(recent, batch(0, 5), {TODAY: {"a", "b"}})
    assert sent(recent, batch(5, 6), {TODAY: {"a"}}) == {}
    sent(recent, batch(6, 7), {TODAY: {"c"}})
    assert sent(recent, batch(7, 8), {TODAY: {"a", "b", "c"}}) == {TODAY: {"a", "b", "c"}}


def test_what_does_not_follow_gives_its_room_back() -> None:
    recent = DedupCache(remembered=30)
    sent(recent, batch(0, 5), {TODAY: {"a"}})
    for start in range(0, 50, 10):
        sent(recent, batch(start, start + 5, SECOND), {TODAY: {"b"}})
    assert sent(recent, batch(5, 6), {TODAY: {"a"}}) == {}


def days(*numbers: int) -> Mapping[Counter, set[str]]:
    return {Counter("acme", date(2024, 5, number)): {"a"} for number in numbers}


def test_the_newest_periods_are_remembered_in_whatever_order_they_come() -> None:
    recent = DedupCache()
    assert sent(recent, batch(0, 5), days(17, 15, 16)) == days(15, 16, 17)
    assert sent(recent, batch(5, 6), days(15, 16, 17)) == days(15)
    assert sent(recent, batch(6, 7), days(18)) == days(18)
    assert sent(recent, batch(7, 8), days(16, 17, 18)) == days(16)


def test_days_and_buckets_are_remembered_side_by_side() -> None:
    recent = DedupCache()
    buckets = {Counter("acme", number): {"a"} for number in range(5)}
    sent(recent, batch(0, 5), {**days(16, 17), **buckets})
    assert sent(recent, batch(5, 6), {**days(16, 17), **buckets}) == dict(list(buckets.items())[:3])


def test_an_expiry_stands_once_a_batch_has_set_it() -> None:
    recent = DedupCache()
    first = [Addition(TODAY, 7, {"a"})]
    assert recent.without_known(batch(0, 5), first) == first
    recent.remember(batch(0, 5), first)
    assert recent.without_known(batch(5, 6), [Addition(TODAY, 7, {"b"})]) == [
        Addition(TODAY, 7, {"b"}, expiry_stands=True)
    ]
