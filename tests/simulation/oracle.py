"""The oracle: holds every change in Redis, and every answer, to what is promised."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from msgspec import msgpack

from ingest.batch import Partition
from projector import keys
from projector.views.daily import DailyCounts
from tests.simulation.accounts import Accounts
from tests.simulation.activity import DAYS, START
from tests.simulation.broker import TOPIC, Broker
from tests.simulation.freshness import Freshness
from tests.simulation.log import Entry
from tests.simulation.loop import SimulatedLoop
from tests.simulation.redis_scripts import Reply
from tests.simulation.redis_server import Observer, RedisServer
from tests.simulation.stored import Stored


class BrokenPromiseError(AssertionError):
    """The code under test did what it promises never to do."""


class Oracle(Observer):
    """Watches a fake Redis against a fake Kafka; a promise broken fails the loop at once."""

    def __init__(self, loop: SimulatedLoop, broker: Broker, server: RedisServer) -> None:
        self._loop = loop
        self._broker = broker
        self.stored = Stored(server.store)
        self.accounts = Accounts(broker, self.stored, self.fail)
        self._freshness = Freshness(broker, self.stored, self.fail)
        self.published: defaultdict[bytes, set[bytes]] = defaultdict(set)
        """All users ever published, by counter."""
        self.poison: set[bytes | None] = set()
        """What was ever published and is no event."""
        server.observer = self

    def note_published(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            for counter in entry.counters:
                self.published[counter].add(entry.user_id)
            if entry.is_poison and entry.record is not None:
                self.poison.add(entry.record.value)

    def on_loss(self) -> None:
        self.accounts.start_over()
        self._freshness.start_over()
        self.on_change()

    def on_change(self) -> None:
        self.accounts.check()
        self._freshness.check()

    def on_step(self, caller: str, args: Sequence[bytes], reply: Reply) -> None:
        partition, start, end, *_ = args
        stored = int(reply) if isinstance(reply, bytes) else None
        self._freshness.note_step(caller, _partition(partition), (int(start), int(end)), stored)

    def on_rewind_asked(self, caller: str, partition: bytes) -> None:
        self._freshness.note_rewind_asked(caller, _partition(partition))

    def on_rewind(self, partition: bytes, expected: int, to: int) -> None:
        self._freshness.check_withheld(_partition(partition))
        self.accounts.check_gap(_partition(partition), expected, to)

    def on_restart(self) -> None:
        self._freshness.start_over()
        for partition, _ in self._broker.topic.numbered():
            self._freshness.check_withheld(partition)

    def on_window(self, reply: Reply) -> None:
        """Compare a reader's answer with the state stored at that moment."""
        assert isinstance(reply, bytes)  # no generation replaces another here
        partitions, instants, *_ = msgpack.decode(reply)
        answer = partitions, sorted(map(int, instants))
        if answer != (self.stored.partitions(), sorted(self.stored.instants())):
            self.fail(f"a reader gets {partitions} partitions as of {instants}")

    def check_answer(self, workspace_id: str, answer: DailyCounts) -> None:
        """Hold an answer for `DAYS` to what was published before its as-of instant."""
        users: defaultdict[bytes, set[bytes]] = defaultdict(set)
        as_of = (answer.as_of - START).total_seconds()
        for _, log in self._broker.topic.numbered():
            for entry in log.held():
                for counter in entry.counters if entry.is_published_before(as_of) else ():
                    users[counter].add(entry.user_id)
        for day, count in zip(DAYS, answer.users, strict=True):
            counter = keys.FIRST.day(workspace_id, day).encode()
            if not len(users[counter]) <= count <= len(self.published[counter]):
                self.fail(f"{count} users on {day}, at least {len(users[counter])} were published by then")

    def fail(self, message: str) -> None:
        self._loop.fail(BrokenPromiseError(message))


def _partition(field: bytes) -> Partition:
    return Partition(TOPIC, int(field.rpartition(b":")[2]))
