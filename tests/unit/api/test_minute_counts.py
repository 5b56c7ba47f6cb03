"""Counts of a minute: by name, from 0 each minute, with a bounded number of names."""

from collections import Counter
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from api.limits.minute_counts import MinuteCounts
from tests.support.fakes_api import NOW

names = st.lists(st.text(min_size=1, max_size=3))


@given(names)
def test_each_name_has_a_count_of_its_own(asked: list[str]) -> None:
    counts = MinuteCounts(max_names=len(asked) + 1)
    for name in asked:
        counts.add(name, NOW)
    assert {name: counts.get(name, NOW) for name in asked} == Counter(asked)


@given(names, st.integers(0, 5))
def test_names_beyond_the_maximum_share_one_count(asked: list[str], max_names: int) -> None:
    """No count is lost, and there are never more than `max_names` and the shared one."""
    counts = MinuteCounts(max_names=max_names)
    for name in asked:
        counts.add(name, NOW)
    known = [*dict.fromkeys(asked)][:max_names]
    others = [name for name in asked if name not in known]
    assert {name: counts.get(name, NOW) for name in others} == dict.fromkeys(others, len(others))
    assert {name: counts.get(name, NOW) for name in known} == Counter(n for n in asked if n in known)
    assert len(counts) <= max_names + 1


@given(st.integers(-(10**6), 10**6))
def test_each_minute_starts_at_0(seconds: int) -> None:
    """Also an earlier one: a clock may be set back."""
    counts = MinuteCounts(max_names=1)
    counts.add("a", NOW)
    later = NOW + timedelta(seconds=seconds)
    assert counts.add("a", later) == (2 if 0 <= seconds < 60 else 1)
