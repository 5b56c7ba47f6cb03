"""Which skips there are, and where a log can be read again, without servers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headcount.ops.skip import Skip, checked, first_readable
from ingest.batch import Offset, Partition
from ingest.errors import OperatorError
from ingest.kafka.log_reader import LogReader
from ingest.ports import Extent

PARTITION = Partition("user-activity", 2)


class DamagedLog(LogReader):
    """A log of which some offsets can't be read; `asked` counts the looks at it."""

    def __init__(self, damaged: set[int]) -> None:
        self._damaged = damaged
        self.asked = 0

    async def can_read(self, partition: Partition, offset: Offset) -> bool:
        self.asked += 1
        return partition == PARTITION and offset not in self._damaged


def skip(to: int) -> Skip:
    return Skip(topic_id="id", partition=PARTITION, checkpoint=Offset(10), to=Offset(to), end=Offset(20))


def span(beginning: int, end: int) -> Extent:
    return Extent(Offset(beginning), Offset(end))


@pytest.mark.parametrize("to", [11, 20])
def test_a_skip_goes_forward_up_to_the_end_of_the_log(to: int) -> None:
    assert checked(skip(to)).to == to


@pytest.mark.parametrize(
    ("to", "sentence"), [(10, "can only go forward"), (0, "can only go forward"), (21, "ends at 20")]
)
def test_any_other_skip_is_refused(to: int, sentence: str) -> None:
    with pytest.raises(OperatorError, match=sentence):
        checked(skip(to))


@pytest.mark.parametrize("length", [1, 2, 3, 7, 8, 9, 1_000])
async def test_the_first_sound_record_behind_a_damaged_batch_is_found(length: int) -> None:
    log = DamagedLog(set(range(10, 10 + length)))
    assert await first_readable(log, PARTITION, span(10, 5_000)) == 10 + length


async def test_a_log_that_is_damaged_to_its_end_is_skipped_to_its_end() -> None:
    assert await first_readable(DamagedLog(set(range(10, 21))), PARTITION, span(10, 20)) == 20


@given(st.sets(st.integers(0, 200)), st.integers(1, 200))
async def test_wherever_it_is_damaged_reading_can_go_on_there(damaged: set[int], end: int) -> None:
    log = DamagedLog(damaged | {0})
    found = await first_readable(log, PARTITION, span(0, end))
    assert found == end or found not in damaged
    assert found - 1 in damaged | {0}
    assert log.asked <= 20


@pytest.mark.parametrize("extent", [span(10, 20), span(20, 20)])
async def test_there_is_nothing_to_skip_where_the_log_is_sound(extent: Extent) -> None:
    with pytest.raises(OperatorError, match="with --to"):
        await first_readable(DamagedLog(set()), PARTITION, extent)
