"""The contract of every source, on the fake and on Kafka: only the caller sets positions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest

from ingest.batch import Offset, Partition
from ingest.errors import OutOfRangeError, UnavailableError
from ingest.ports import Record, Source
from tests.suites.logs import WritableLog
from tests.support.fakes_log import FakeRecord
from tests.support.waiting import wait_until

SECONDS = 30.0
HISTORY = [FakeRecord(value=str(number).encode()) for number in range(4)]


@dataclass
class Log:
    """A log of four records in its first partition, and what is known of it."""

    written: WritableLog
    first: Partition
    second: Partition


@pytest.fixture
async def log(writable_log: WritableLog) -> Log:
    first, second = writable_log.partitions
    await writable_log.append(first, *HISTORY)
    return Log(writable_log, first, second)


@pytest.fixture
async def source(log: Log) -> Source:
    """The only member of the group, at the beginning of both partitions."""
    source = await log.written.join()
    await assignment(source)
    source.seek(log.first, Offset(0))
    source.seek(log.second, Offset(0))
    return source


async def assignment(source: Source) -> frozenset[Partition]:
    """Wait until the source owns partitions, and return them."""
    assigned: frozenset[Partition] = frozenset()

    async def is_assigned() -> bool:
        nonlocal assigned
        await source.poll()  # a member that does not poll gets no assignment
        assigned = source.take_assignment() or frozenset()
        return bool(assigned)

    await wait_until(is_assigned, deadline_seconds=SECONDS, message="partitions were assigned")
    return assigned


async def read(source: Source, number: int) -> Mapping[Partition, Sequence[Record]]:
    """Poll until that many records came."""
    found: dict[Partition, list[Record]] = {}

    async def is_enough() -> bool:
        for partition, records in (await source.poll()).items():
            found.setdefault(partition, []).extend(records)
        return sum(map(len, found.values())) >= number

    await wait_until(is_enough, deadline_seconds=SECONDS, message=f"{number} records came")
    return found


async def values(source: Source, number: int) -> Sequence[bytes | None]:
    return [record.value for records in (await read(source, number)).values() for record in records]


async def test_the_only_member_owns_everything_and_learns_it_once(log: Log) -> None:
    source = await log.written.join()
    assert await assignment(source) == {log.first, log.second}
    assert source.take_assignment() is None


async def test_nothing_is_read_before_a_position_is_set(log: Log) -> None:
    source = await log.written.join()
    await assignment(source)
    for _ in range(5):
        assert await source.poll() == {}
    for partition in (log.first, log.second):
        source.seek(partition, Offset(0))
    assert await values(source, 4) == [b"0", b"1", b"2", b"3"]


@pytest.mark.parametrize("offset", [0, 1, 3])
async def test_reading_starts_at_the_position(log: Log, source: Source, offset: int) -> None:
    source.seek(log.first, Offset(offset))
    found = await read(source, 4 - offset)
    assert [record.offset for record in found[log.first]] == list(range(offset, 4))


async def test_a_seek_overrules_what_was_read(log: Log, source: Source) -> None:
    await read(source, 4)
    source.seek(log.first, Offset(2))
    assert await values(source, 2) == [b"2", b"3"]


async def test_a_record_comes_whole(log: Log, source: Source) -> None:
    headers = [("trace", b"\x00\xff"), ("trace", b"")]
    record = FakeRecord(key=b"\x00key", value=b"\xffvalue", timestamp=1_700_000_000_123, headers=headers)
    await log.written.append(log.second, record, FakeRecord(key=b"key"))
    whole, bare = (await read(source, 6))[log.second]
    assert (whole.key, whole.value, whole.timestamp) == (record.key, record.value, record.timestamp)
    assert list(whole.headers) == headers
    assert (bare.key, bare.value, list(bare.headers)) == (b"key", None, [])


async def test_the_position_is_the_next_offset(log: Log, source: Source) -> None:
    assert await source.position(log.first) == 0
    await read(source, 4)
    assert await source.position(log.first) == 4


async def test_the_position_moves_past_what_holds_no_record(log: Log, source: Source) -> None:
    await log.written.append_nothing(log.second)
    end = (await source.state()).extents[log.second].end
    assert end == 2

    async def is_past() -> bool:
        assert not (await source.poll()).get(log.second)
        return await source.position(log.second) == end

    await wait_until(is_past, deadline_seconds=SECONDS)


async def test_what_is_paused_waits_and_nothing_of_it_is_lost(log: Log, source: Source) -> None:
    source.pause([log.first])
    await log.written.append(log.second, FakeRecord(value=b"other"))
    assert await values(source, 1) == [b"other"]
    assert await source.poll() == {}
    source.resume([log.first])
    assert await values(source, 4) == [b"0", b"1", b"2", b"3"]


async def test_one_partition_can_be_read_alone(log: Log, source: Source) -> None:
    await log.written.append(log.second, FakeRecord(value=b"other"))
    found: list[bytes | None] = []

    async def came() -> bool:
        polled = await source.poll(log.second)
        assert polled.keys() <= {log.second}
        found.extend(record.value for record in polled.get(log.second, ()))
        return bool(found)

    await wait_until(came, deadline_seconds=SECONDS)
    assert found == [b"other"]
    assert await values(source, 4) == [b"0", b"1", b"2", b"3"]


async def test_the_state_is_the_extent_of_the_log(log: Log, source: Source) -> None:
    await log.written.purge(log.first, before=3)
    state = await source.state()
    extents = {partition: (extent.beginning, extent.end) for partition, extent in state.extents.items()}
    assert extents == {log.first: (3, 4), log.second: (0, 0)}
    assert state.topic_id == (await source.state()).topic_id != ""


@pytest.mark.parametrize("offset", [1, 9])
async def test_a_position_that_the_log_does_not_hold_is_named(log: Log, source: Source, offset: int) -> None:
    await log.written.purge(log.first, before=3)
    source.seek(log.first, Offset(offset))
    caught: list[OutOfRangeError] = []

    async def is_named() -> bool:
        try:
            await source.poll()
        except OutOfRangeError as error:
            caught.append(error)
        return bool(caught)

    await wait_until(is_named, deadline_seconds=SECONDS)
    assert caught[0].positions == {log.first: offset}


async def test_partitions_that_are_not_assigned_are_ignored(log: Log, source: Source) -> None:
    stranger = Partition(log.first.topic, 7)
    source.seek(stranger, Offset(1))
    source.pause([stranger])
    source.resume([stranger])
    await source.commit({stranger: Offset(1)})
    with pytest.raises(UnavailableError):
        await source.position(stranger)
    assert len(await values(source, 4)) == 4


async def test_what_was_committed_is_read_back_of_owned_partitions(log: Log, source: Source) -> None:
    stranger = Partition(log.first.topic, 7)
    every = [log.first, log.second, stranger]
    assert await source.committed(every) == {}
    await source.commit({log.first: Offset(3)})
    assert await source.committed(every) == {log.first: Offset(3)}
    assert await source.committed([log.second]) == {}


async def test_members_share_the_partitions_and_take_over(log: Log, source: Source) -> None:
    other = await log.written.join()
    shared = [await assignment(source), await assignment(other)]
    assert sorted(map(len, shared)) == [1, 1]
    assert frozenset.union(*shared) == {log.first, log.second}
    await other.stop()
    assert await assignment(source) == {log.first, log.second}


async def test_what_is_polled_across_a_rebalance_is_dropped_and_has_no_position(
    log: Log, source: Source
) -> None:
    """From a position that Kafka has set: it knows the committed offset, and not the checkpoint."""
    await log.written.append(log.second, *HISTORY)
    await read(source, 8)
    await source.commit({log.first: Offset(1), log.second: Offset(1)})
    other = await log.written.join()

    async def has_changed() -> bool:
        assert await source.poll() == {}
        await other.poll()
        try:
            await source.position(log.first)
        except UnavailableError:
            return True
        return False

    await wait_until(has_changed, deadline_seconds=SECONDS)
    for _ in range(10):
        assert await source.poll() == {}
    for partition in (log.first, log.second):
        with pytest.raises(UnavailableError):
            await source.position(partition)
