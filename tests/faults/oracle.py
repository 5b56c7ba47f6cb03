"""The oracle: a clean projection of the same log, and whether the plant's counters are equal to it."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from redis.asyncio import Redis

from headcount.clients import kafka_options
from headcount.wiring import Config, calendar, counted_users, deployment, utc_now
from ingest.batch import Batch, Offset, Partition
from ingest.events.decoding import RecordDecoder
from ingest.kafka.dead_letters import DEAD_LETTER_SUFFIX
from ingest.ports import Extent, LogState
from projector import keys
from projector.projection import RedisProjection
from tests.faults.activity import SMALL_USERS, Counter
from tests.support.people import as_stored, count

POLL_MILLISECONDS: Final = 200
LETTER_PLACE: Final = ("headcount-partition", "headcount-offset")

Place = tuple[int, int]
"""Partition and offset of a record."""
Records = Mapping[Partition, list[Any]]


@dataclass(slots=True)
class Verdict:
    """What differs from a clean projection. `lost` and `twice` count users of small workspaces' days."""

    lost: int = 0
    twice: int = 0
    wrong: list[str] = field(default_factory=list)


class Oracle:
    """Judges the counters in `redis` by the log that the settings name; `yardstick` is emptied for that.

    `gone` are records that were counted and that the log has lost since, by the number of their partition.
    `forgotten` are people who are in no counter, as `workspace_id:pseudonym`.
    """

    def __init__(
        self,
        config: Config,
        redis: Redis,
        yardstick: Redis,
        *,
        gone: Mapping[int, Sequence[Any]] = MappingProxyType({}),
        forgotten: Collection[str] = (),
    ) -> None:
        self._gone = gone
        self._forgotten = forgotten
        self._config = config
        self._redis = redis
        self._yardstick = yardstick
        self._decoder = RecordDecoder(max_event_bytes=config.counting.max_event_bytes)
        self._users: defaultdict[Counter, set[str]] = defaultdict(set)
        self._poison: dict[Place, bytes | None] = {}

    async def judge(self) -> Verdict:
        """Project the log anew, and compare."""
        records = await read_log(self._config, self._config.kafka.topic)
        await self._project(records)
        verdict = Verdict()
        await self._compare_checkpoints(records, verdict)
        await self._compare_counters(verdict)
        await self._compare_users(verdict)
        await self._compare_dead_letters(verdict)
        return verdict

    async def _project(self, records: Records) -> None:
        await self._yardstick.flushdb()
        projection = RedisProjection(
            self._yardstick,
            calendar(self._config),
            counted_users(self._config).without(self._forgotten, revision=0),
            deployment=deployment(self._config),
            clock=utc_now,
        )
        extents = {partition: Extent(Offset(0), Offset(0)) for partition in records}
        await projection.begin(LogState("yardstick", extents))
        for partition, found in records.items():
            end = Offset(found[-1].offset + 1) if found else Offset(0)
            result = self._decoder.decode(
                partition, [*self._gone.get(partition.number, ()), *found], utc_now()
            )
            batch = Batch(partition=partition, start=Offset(0), end=end, events=result.events)
            if await projection.apply(batch) != end:
                raise AssertionError("the clean projection did not take its batch")
            for event in result.events:
                if event.user_id is not None:
                    self._users[event.workspace_id, event.occurred_at.date()].add(event.user_id)
            self._poison.update(
                {(partition.number, each.record.offset): each.record.value for each in result.letters}
            )

    async def _compare_checkpoints(self, records: Records, verdict: Verdict) -> None:
        stored = await self._redis.hgetall(keys.FIRST.checkpoints)
        for partition, found in records.items():
            end = found[-1].offset + 1 if found else 0
            checkpoint = int(stored.get(str(partition).encode(), -1))
            if checkpoint != end:
                verdict.wrong.append(f"{partition} is counted up to {checkpoint}, and the log's end is {end}")

    async def _compare_counters(self, verdict: Verdict) -> None:
        clean, found = await read_counters(self._yardstick), await read_counters(self._redis)
        verdict.wrong += [f"{key!r} is not in a clean projection" for key in found.keys() - clean.keys()]
        verdict.wrong += [f"{key!r} is missing" for key in clean.keys() - found.keys()]
        verdict.wrong += [
            f"{key!r} differs" for key in clean.keys() & found.keys() if clean[key] != found[key]
        ]

    async def _compare_users(self, verdict: Verdict) -> None:
        """Hold exact counters against the log itself, so that a mistake of both projections would show."""
        exact = [(each, users) for each, users in self._users.items() if users <= set(SMALL_USERS)]
        for (workspace, day), users in exact:
            counted = await count(self._redis, keys.FIRST.day(workspace, day))
            if counted == 0 and (utc_now().date() - day).days > self._config.counting.retention_days > 0:
                continue
            verdict.lost += max(0, len(users) - counted)
            verdict.twice += max(0, counted - len(users))

    async def _compare_dead_letters(self, verdict: Verdict) -> None:
        letters = await read_log(self._config, self._config.kafka.topic + DEAD_LETTER_SUFFIX)
        found = {_place(letter): letter.value for each in letters.values() for letter in each}
        for place in self._poison.keys() - found.keys():
            verdict.wrong.append(f"the record at {place} has no dead letter")
        for place in found.keys() - self._poison.keys():
            verdict.wrong.append(f"the record at {place} is good, and has a dead letter")
        for place in found.keys() & self._poison.keys():
            if not (self._poison[place] or b"").startswith(found[place] or b""):
                verdict.wrong.append(f"the dead letter of {place} holds something else")


async def read_log(config: Config, topic: str) -> Records:
    """Read every record of a topic with a new consumer."""
    consumer = AIOKafkaConsumer(isolation_level="read_committed", **kafka_options(config))
    await consumer.start()
    try:
        numbers = (await consumer._client.fetch_all_metadata()).partitions_for_topic(topic)
        natives = [TopicPartition(topic, number) for number in sorted(numbers)]
        consumer.assign(natives)
        await consumer.seek_to_beginning()
        ends = await consumer.end_offsets(natives)
        records: dict[Partition, list[Any]] = {Partition(*native): [] for native in natives}
        while any([await consumer.position(native) < ends[native] for native in natives]):
            for native, found in (await consumer.getmany(timeout_ms=POLL_MILLISECONDS)).items():
                records[Partition(*native)] += found
        return records
    finally:
        await consumer.stop()


async def read_counters(redis: Redis) -> dict[bytes, tuple[bytes, int]]:
    """Read every counter, and when it expires."""
    prefix = keys.FIRST.checkpoints.rpartition(":")[0]
    names = [
        name
        for kind in ("day", "bucket")
        async for name in redis.scan_iter(match=f"{prefix}:{kind}:*", count=1000)
    ]
    stored = await as_stored(redis, names)
    pipeline = redis.pipeline(transaction=False)
    for name in names:
        pipeline.expiretime(name)
    expiries = await pipeline.execute()
    return {name: (stored[name], expires_at) for name, expires_at in zip(names, expiries, strict=True)}


def _place(letter: Any) -> Place:  # noqa: ANN401 - aiokafka's record
    headers = dict(letter.headers)
    partition, offset = (int(headers[name]) for name in LETTER_PLACE)
    return partition, offset
