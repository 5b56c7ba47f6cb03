"""A process that goes on collects garbage seldom, but does."""

import gc
from collections.abc import Iterator

import pytest

from headcount.gc_tuning import tune_gc


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)  # Python's own, whatever ran in this process already
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def test_it_collects_seldom_and_leaves_out_what_was_there() -> None:
    before = gc.get_threshold()[0]
    tune_gc()
    assert gc.get_threshold()[0] > 10 * before
    assert gc.get_freeze_count() > 0
    assert gc.isenabled()
