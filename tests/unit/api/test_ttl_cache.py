"""The TTL cache: how long entries are kept, and how many."""

from api.cache.ttl_cache import TTLCache
from tests.support.fakes_api import FakeTimer


def ttl_cache(timer: FakeTimer) -> TTLCache[str, int]:
    return TTLCache(seconds=1.0, max_entries=3, timer=timer)


def test_a_value_expires_exactly_after_its_time() -> None:
    timer = FakeTimer()
    cache = ttl_cache(timer)
    cache.put("a", 1, read_at=timer())
    timer.seconds += 0.999
    assert cache.get("a") == 1
    timer.seconds += 0.001
    assert cache.get("a") is None


def test_the_age_of_a_value_counts_from_before_the_read() -> None:
    """A slow read may return a value that was already old when it arrived."""
    timer = FakeTimer()
    cache = ttl_cache(timer)
    read_at = timer()
    timer.seconds += 0.9
    cache.put("a", 1, read_at=read_at)
    assert cache.get("a") == 1
    timer.seconds += 0.1
    assert cache.get("a") is None


def test_a_value_that_has_already_expired_is_not_kept() -> None:
    timer = FakeTimer()
    cache = ttl_cache(timer)
    cache.put("a", 1, read_at=timer() - 1)
    assert cache.get("a") is None
    assert len(cache) == 0


def test_a_newer_value_replaces_the_old_one() -> None:
    timer = FakeTimer()
    cache = ttl_cache(timer)
    cache.put("a", 1, read_at=timer())
    timer.seconds += 0.6
    cache.put("a", 2, read_at=timer())
    timer.seconds += 0.6
    assert cache.get("a") == 2


def test_at_most_max_entries_are_kept() -> None:
    timer = FakeTimer()
    cache = ttl_cache(timer)
    for number, name in enumerate("abcd"):
        cache.put(name, number, read_at=timer())
    assert [cache.get(name) for name in "abcd"] == [None, 1, 2, 3]


def test_expired_entries_are_removed() -> None:
    timer = FakeTimer()
    cache = ttl_cache(timer)
    cache.put("a", 1, read_at=timer())
    timer.seconds += 1
    cache.put("b", 2, read_at=timer())
    assert len(cache) == 1
