"""The strongest claim: any order, any repetition and any split into batches give the same counters.

The same to the byte, but for what Redis keeps in a counter beside its registers: the cached count, which
reading changes, and the run lengths of a sparse encoding: several may stand for the same registers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from ingest.batch import Batch, Offset, Partition
from ingest.event import Event
from ingest.ports import Extent, LogState
from projector import keys
from projector.calendar import Calendar
from projector.deployment import Deployment
from projector.projection import RedisProjection

NOW = datetime(2024, 5, 17, 12, tzinfo=UTC)
CALENDAR = Calendar(time_zone=ZoneInfo("America/St_Johns"), retention_days=0, bucket_retention_days=0)
PARTITIONS = [Partition("user-activity", number) for number in range(2)]
USERS = [f"user-{number}" for number in range(40)]
ON_REDIS = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,  # each example empties the database itself
        HealthCheck.too_slow,  # as a busy machine is
    ],
)
NEIGHBOURS = ["user-9145", "user-30796", "user-86745", "user-1476", "user-9916"]
"""Their registers are the five from 1000 on, and all become 1."""

EVENTS = st.lists(
    st.builds(
        lambda user_id, workspace_id, minutes: Event(
            workspace_id=workspace_id,
            user_id=user_id,
            occurred_at=NOW + timedelta(minutes=minutes),
            type="message",
        ),
        st.sampled_from(USERS),
        st.sampled_from(["acme", "other"]),
        st.integers(-2_000, 0),
    ),
    min_size=1,
    max_size=60,
)


@dataclass
class Reading:
    """One way in which a log may come to be counted: by batches, each of a partition."""

    batches: Sequence[tuple[Partition, Sequence[Event]]]


@st.composite
def readings(draw: st.DrawFn, events: Sequence[Event]) -> Reading:
    """Repeat some events, shuffle all, deal them to the partitions, and cut that anywhere."""
    repeated = draw(st.lists(st.sampled_from(events), max_size=20))
    shuffled = draw(st.permutations([*events, *repeated]))
    cuts = sorted(draw(st.sets(st.integers(1, len(shuffled)), max_size=8)) | {0, len(shuffled)})
    return Reading(
        [(draw(st.sampled_from(PARTITIONS)), shuffled[start:end]) for start, end in pairwise(cuts)]
    )


async def project(redis: Redis, reading: Reading) -> Mapping[str, bytes]:
    """Count a reading in an empty Redis, and return its counters."""
    await redis.flushdb()
    projection = RedisProjection(
        redis,
        CALENDAR,
        deployment=Deployment(topic="user-activity", time_zone=CALENDAR.time_zone.key),
        clock=lambda: NOW,
    )
    nothing = Extent(Offset(0), Offset(0))
    await projection.begin(LogState("one", dict.fromkeys(PARTITIONS, nothing)))
    ends = dict.fromkeys(PARTITIONS, Offset(0))
    for partition, events in reading.batches:
        start, end = ends[partition], Offset(ends[partition] + len(events))
        assert await projection.apply(Batch(partition=partition, start=start, end=end, events=events)) == end
        ends[partition] = end
    return await counters(redis)


async def counters(redis: Redis) -> Mapping[str, bytes]:
    names = [key.decode() async for key in redis.scan_iter() if keys.counter(key.decode())]
    return {name: await counter(redis, name) for name in names}


async def counter(redis: Redis, key: str) -> bytes:
    """Return a counter as Redis stores it, but for the cached count."""
    value = await redis.get(key)
    assert isinstance(value, bytes)
    assert value.startswith(b"HYLL")
    return value[:8] + bytes(8) + value[16:]


@ON_REDIS
@given(events=EVENTS, data=st.data())
async def test_any_order_repetition_and_split_give_equal_counters(
    redis_client: Redis, events: Sequence[Event], data: st.DataObject
) -> None:
    plain = await project(redis_client, Reading([(PARTITIONS[0], events)]))
    assert await project(redis_client, data.draw(readings(events))) == plain


@ON_REDIS
@given(events=EVENTS)
async def test_the_counts_are_those_of_the_plain_ids(redis_client: Redis, events: Sequence[Event]) -> None:
    await project(redis_client, Reading([(PARTITIONS[0], events)]))
    people: dict[str, set[str]] = {}
    for event in events:
        day = event.occurred_at.astimezone(CALENDAR.time_zone).date()
        assert event.user_id is not None
        people.setdefault(keys.day(event.workspace_id, day), set()).add(event.user_id)
    for key, user_ids in people.items():
        await redis_client.pfadd("plain", *user_ids)
        # Not the number of people: two of these, user-0 and user-30, fall on one register.
        assert await redis_client.pfcount(key) == await redis_client.pfcount("plain")
        await redis_client.delete("plain")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("people", [1_000, 1_650, 4_000], ids=["sparse", "sparse-or-dense", "dense"])
async def test_large_counters_have_equal_registers(redis_client: Redis, people: int, seed: int) -> None:
    random = Random(seed)
    day = keys.day("acme", NOW.date())
    events = [active(f"user-{number}") for number in range(people)]
    await project(redis_client, Reading([(PARTITIONS[0], events)]))
    plain, count = await registers(redis_client, day), await redis_client.pfcount(day)
    shuffled = random.sample(events, len(events)) + events[::3]
    cuts = sorted({0, len(shuffled), *random.choices(range(len(shuffled)), k=5)})
    batches = [(random.choice(PARTITIONS), shuffled[start:end]) for start, end in pairwise(cuts)]
    await project(redis_client, Reading(batches))
    assert await registers(redis_client, day) == plain
    assert await redis_client.pfcount(day) == count


async def test_days_are_unions_of_their_buckets(redis_client: Redis) -> None:
    """Every quarter of an hour of a day in a zone whose offset is no whole hour."""
    first = datetime(2024, 5, 16, 2, 30, tzinfo=UTC)  # midnight in St John's
    events = [active(f"user-{number}", first + timedelta(minutes=15) * number) for number in range(96)]
    found = await project(redis_client, Reading([(PARTITIONS[0], events)]))
    buckets = [key for key in found if ":bucket:" in key]
    assert len(buckets) == 96
    await redis_client.pfmerge("united", *buckets)
    day = keys.day("acme", first.astimezone(CALENDAR.time_zone).date())
    assert [key for key in found if ":day:" in key] == [day]
    assert await registers(redis_client, "united") == await registers(redis_client, day)


async def test_a_sparse_encoding_may_differ_where_the_registers_do_not(redis_client: Redis) -> None:
    """Redis joins up to four equal neighbours as they come: five can be four and one, or one and four."""
    day = keys.day("acme", NOW.date())
    forms, united = set(), set()
    for order in (NEIGHBOURS, NEIGHBOURS[1:] + NEIGHBOURS[:1]):
        found = await project(redis_client, Reading([(PARTITIONS[0], [active(each)]) for each in order]))
        forms.add(found[day])
        united.add(await registers(redis_client, day))
        assert await redis_client.pfcount(day) == 5
    assert len(forms) == 2
    assert len(united) == 1


def active(user_id: str, occurred_at: datetime = NOW) -> Event:
    return Event(workspace_id="acme", user_id=user_id, occurred_at=occurred_at, type="message")


async def registers(redis: Redis, key: str) -> bytes:
    """Return the counter in the dense encoding, of which there is one."""
    await redis.set("dense", b"HYLL" + bytes(12 + 12_288))
    await redis.pfmerge("dense", key)
    return await counter(redis, "dense")
