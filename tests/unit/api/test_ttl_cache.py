"""What is kept for a moment: how long, and how much of it."""

from api.cache.ttl_cache import TTLCache
from tests.support.fakes_api import FakeTimer


def recent(timer: FakeTimer) -> TTLCache[str, int]:
    return TTLCache(seconds=1.0, max_entries=3, timer=timer)


def test_a_value_is_there_for_its_time_and_not_a_moment_longer() -> None:
    timer = FakeTimer()
    kept = recent(timer)
    kept.keep("a", 1, read_at=timer())
    timer.seconds += 0.999
    assert kept.get("a") == 1
    timer.seconds += 0.001
    assert kept.get("a") is None


def test_a_value_ages_from_when_it_was_asked_for() -> None:
    """What was asked for long ago may be long untrue, however late the answer came."""
    timer = FakeTimer()
    kept = recent(timer)
    read_at = timer()
    timer.seconds += 0.9
    kept.keep("a", 1, read_at=read_at)
    assert kept.get("a") == 1
    timer.seconds += 0.1
    assert kept.get("a") is None


def test_what_came_too_late_is_not_kept_at_all() -> None:
    timer = FakeTimer()
    kept = recent(timer)
    kept.keep("a", 1, read_at=timer() - 1)
    assert kept.get("a") is None
    assert len(kept) == 0


def test_a_newer_value_takes_the_place_of_the_old_one() -> None:
    timer = FakeTimer()
    kept = recent(timer)
    kept.keep("a", 1, read_at=timer())
    timer.seconds += 0.6
    kept.keep("a", 2, read_at=timer())
    timer.seconds += 0.6
    assert kept.get("a") == 2


def test_no_more_is_kept_than_there_is_room_for() -> None:
    timer = FakeTimer()
    kept = recent(timer)
    for number, name in enumerate("abcd"):
        kept.keep(name, number, read_at=timer())
    assert [kept.get(name) for name in "abcd"] == [None, 1, 2, 3]


def test_what_is_too_old_makes_room() -> None:
    timer = FakeTimer()
    kept = recent(timer)
    kept.keep("a", 1, read_at=timer())
    timer.seconds += 1
    kept.keep("b", 2, read_at=timer())
    assert len(kept) == 1
