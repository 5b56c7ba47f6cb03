"""The deduplication cache: users that the counters have already are not sent again."""

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


def sent(cache: DedupCache, step: Batch, users: Mapping[Counter, set[str]]) -> Mapping[Counter, set[str]]:
    """Send a batch that is accepted; return what was sent."""
    additions = [Addition(counter, 0, set(found)) for counter, found in users.items()]
    left = cache.without_known(step, additions)
    sent = {addition.counter: set(addition.user_ids) for addition in left}
    cache.remember(step, left)
    return sent


def test_a_counted_user_is_not_sent_again() -> None:
    cache = DedupCache()
    assert sent(cache, batch(0, 5), {TODAY: {"a", "b"}}) == {TODAY: {"a", "b"}}
    assert sent(cache, batch(5, 9), {TODAY: {"b", "c"}, BUCKET: {"b"}}) == {TODAY: {"c"}, BUCKET: {"b"}}
    assert sent(cache, batch(9, 9), {TODAY: {"a", "b", "c"}, BUCKET: {"b"}}) == {}


def test_a_batch_that_does_not_follow_the_last_one_is_sent_whole() -> None:
    cache = DedupCache()
    sent(cache, batch(0, 5), {TODAY: {"a"}})
    assert sent(cache, batch(4, 6), {TODAY: {"a"}}) == {TODAY: {"a"}}
    assert sent(cache, batch(6, 7), {TODAY: {"a", "b"}}) == {TODAY: {"b"}}


def test_a_batch_that_was_not_accepted_is_not_cached() -> None:
    cache = DedupCache()
    sent(cache, batch(0, 5), {TODAY: {"a"}})
    refused = [Addition(TODAY, 0, {"a", "b"})]
    cache.without_known(batch(5, 9), refused)
    assert [each.user_ids for each in cache.without_known(batch(5, 9), refused)] == [{"b"}]


def test_users_of_another_partition_are_sent() -> None:
    """That partition's checkpoint may be set back independently."""
    cache = DedupCache()
    sent(cache, batch(0, 5), {TODAY: {"a"}})
    assert sent(cache, batch(0, 5, SECOND), {TODAY: {"a"}}) == {TODAY: {"a"}}


def test_users_are_sent_again_after_the_cache_is_cleared() -> None:
    cache = DedupCache()
    sent(cache, batch(0, 5), {TODAY: {"a"}})
    cache.clear()
    assert sent(cache, batch(5, 9), {TODAY: {"a"}}) == {TODAY: {"a"}}


def test_the_cache_does_not_exceed_its_capacity() -> None:
    cache = DedupCache(capacity=10)
    sent(cache, batch(0, 5), {TODAY: {"a", "b"}})
    assert sent(cache, batch(5, 6), {TODAY: {"a"}}) == {}
    sent(cache, batch(6, 7), {TODAY: {"c"}})
    assert sent(cache, batch(7, 8), {TODAY: {"a", "b", "c"}}) == {TODAY: {"a", "b", "c"}}


def test_dropped_entries_free_capacity() -> None:
    cache = DedupCache(capacity=30)
    sent(cache, batch(0, 5), {TODAY: {"a"}})
    for start in range(0, 50, 10):
        sent(cache, batch(start, start + 5, SECOND), {TODAY: {"b"}})
    assert sent(cache, batch(5, 6), {TODAY: {"a"}}) == {}


def days(*numbers: int) -> Mapping[Counter, set[str]]:
    return {Counter("acme", date(2024, 5, number)): {"a"} for number in numbers}


def test_the_newest_periods_are_cached_in_any_order() -> None:
    cache = DedupCache()
    assert sent(cache, batch(0, 5), days(17, 15, 16)) == days(15, 16, 17)
    assert sent(cache, batch(5, 6), days(15, 16, 17)) == days(15)
    assert sent(cache, batch(6, 7), days(18)) == days(18)
    assert sent(cache, batch(7, 8), days(16, 17, 18)) == days(16)


def test_days_and_buckets_are_cached_independently() -> None:
    cache = DedupCache()
    buckets = {Counter("acme", number): {"a"} for number in range(5)}
    sent(cache, batch(0, 5), {**days(16, 17), **buckets})
    assert sent(cache, batch(5, 6), {**days(16, 17), **buckets}) == dict(list(buckets.items())[:3])


def test_an_expiry_is_set_once() -> None:
    cache = DedupCache()
    first = [Addition(TODAY, 7, {"a"})]
    assert cache.without_known(batch(0, 5), first) == first
    cache.remember(batch(0, 5), first)
    assert cache.without_known(batch(5, 6), [Addition(TODAY, 7, {"b"})]) == [
        Addition(TODAY, 7, {"b"}, is_expiry_set=True)
    ]
