"""Which ratios of a short run fell, beside the recorded ones."""

import pytest

from benchmarks.comparison import Compared, compare, ratios_of
from benchmarks.target import Target


def test_only_ratios_that_are_to_be_high_are_compared() -> None:
    targets = [
        Target(what="ratio", seen=0.5, bound=0.6),
        Target(what="a time", seen=400, bound=500, unit="ms", side="at most"),
        Target(what="a ratio of times", seen=1.5, bound=2, side="at most"),
    ]
    assert ratios_of(targets) == {"ratio": 0.5}


@pytest.mark.parametrize(("seen", "fell"), [(1.2, False), (0.86, False), (0.84, True)])
def test_a_ratio_falls_by_more_than_chance(seen: float, *, fell: bool) -> None:
    assert Compared(what="ratio", recorded=1.0, seen=seen).fell is fell


def test_a_ratio_that_is_gone_fell() -> None:
    assert [each.fell for each in compare({"gone": 1.0}, {})] == [True]


def test_a_ratio_that_is_new_did_not() -> None:
    assert [(each.what, each.change, each.fell) for each in compare({}, {"new": 1.0})] == [
        ("new", None, False)
    ]
