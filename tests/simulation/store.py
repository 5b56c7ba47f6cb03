"""What the fake Redis holds, and the journal from which any earlier state of it can be had again."""

from collections.abc import Callable
from dataclasses import dataclass, field

from redis.exceptions import ResponseError

WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"


@dataclass
class Store:
    """Hashes, lists and counters. A counter holds the very ids: their union is what a HyperLogLog keeps.

    `check_write` raises what a server raises that takes no writes; `now` gives the second of the epoch.
    """

    check_write: Callable[[], None] = lambda: None
    now: Callable[[], float] = lambda: 0.0
    hashes: dict[bytes, dict[bytes, bytes]] = field(default_factory=dict)
    lists: dict[bytes, list[bytes]] = field(default_factory=dict)
    counters: dict[bytes, set[bytes]] = field(default_factory=dict)
    expires_at: dict[bytes, int] = field(default_factory=dict)
    spoilt: set[bytes] = field(default_factory=set)
    """Keys that hold something of a wrong type."""
    _written: list[tuple[str, tuple[object, ...]]] = field(default_factory=list)
    _journal: list[list[tuple[str, tuple[object, ...]]]] = field(default_factory=list)

    @property
    def length(self) -> int:
        """The number of transactions in the journal."""
        return len(self._journal)

    def end_transaction(self) -> bool:
        """Write what was done into the journal, all of it or nothing; tell whether there was any."""
        if not self._written:
            return False
        self._journal.append(self._written)
        self._written = []
        return True

    def roll_back(self, length: int) -> None:
        """Be as after the first transactions of that number, as a server is that lost the journal's end."""
        journal = self._journal[:length]
        self._clear()
        for transaction in journal:
            for name, arguments in transaction:
                getattr(self, f"_{name}")(*arguments)
        self._journal = journal

    def flush(self) -> None:
        self._record("clear")

    def spoil(self, key: bytes) -> None:
        """Put something of a wrong type where there is no counter yet."""
        self._record("spoil", key)

    def repair(self) -> None:
        """Remove what is of a wrong type."""
        self._record("repair")

    # Commands; those that write are methods of the same name with an underscore, to be replayed.

    def hget(self, key: bytes, name: bytes) -> bytes | None:
        if key in self.spoilt:
            raise ResponseError(WRONG_TYPE)
        return self.hashes.get(key, {}).get(name)

    def hset(self, key: bytes, name: bytes, value: bytes) -> None:
        self._write("hset", key, name, value)

    def hsetnx(self, key: bytes, name: bytes, value: bytes) -> int:
        self.check_write()
        if name in self.hashes.get(key, {}):
            return 0
        self.hset(key, name, value)
        return 1

    def hdel(self, key: bytes, name: bytes) -> None:
        if name in self.hashes.get(key, {}):
            self._write("hdel", key, name)

    def delete(self, key: bytes) -> None:
        if key in self.hashes:
            self._write("delete", key)

    def rpush(self, key: bytes, value: bytes) -> None:
        self._write("rpush", key, value)

    def ltrim_to_newest(self, key: bytes, most: int) -> None:
        if len(self.lists.get(key, ())) > most:
            self._write("ltrim_to_newest", key, most)

    def pfadd(self, key: bytes, ids: tuple[bytes, ...]) -> int:
        """Return 1 if the counter changed."""
        self.check_write()
        if key in self.spoilt:
            raise ResponseError(WRONG_TYPE)
        if self.counters.get(key, set()).issuperset(ids):
            return 0
        self._write("pfadd", key, ids)
        return 1

    def pfcount(self, key: bytes) -> int:
        if key in self.spoilt:
            raise ResponseError(WRONG_TYPE)
        return len(self.counters.get(key, ()))

    def expireat(self, key: bytes, second: int) -> None:
        self._write("expireat", key, second)

    def persist(self, key: bytes) -> None:
        if key in self.expires_at:
            self._write("persist", key)

    def _write(self, name: str, *arguments: object) -> None:
        self.check_write()
        self._record(name, *arguments)

    def _record(self, name: str, *arguments: object) -> None:
        getattr(self, f"_{name}")(*arguments)
        self._written.append((name, arguments))

    def _clear(self) -> None:
        self.hashes, self.lists, self.counters, self.expires_at, self.spoilt = {}, {}, {}, {}, set()

    def _spoil(self, key: bytes) -> None:
        self.spoilt.add(key)

    def _repair(self) -> None:
        self.spoilt.clear()

    def _hset(self, key: bytes, name: bytes, value: bytes) -> None:
        self.hashes.setdefault(key, {})[name] = value

    def _hdel(self, key: bytes, name: bytes) -> None:
        del self.hashes[key][name]

    def _delete(self, key: bytes) -> None:
        del self.hashes[key]

    def _rpush(self, key: bytes, value: bytes) -> None:
        self.lists.setdefault(key, []).append(value)

    def _ltrim_to_newest(self, key: bytes, most: int) -> None:
        self.lists[key] = self.lists[key][-most:]

    def _pfadd(self, key: bytes, ids: tuple[bytes, ...]) -> None:
        self.counters.setdefault(key, set()).update(ids)

    def _expireat(self, key: bytes, second: int) -> None:
        self.expires_at[key] = second

    def _persist(self, key: bytes) -> None:
        del self.expires_at[key]
