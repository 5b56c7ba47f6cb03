"""The verdict at the end of a schedule: the counters against a clean projection of the same log."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from ingest.events.event import decode
from projector import keys
from projector.activity_filter import COUNT_ALL
from projector.fold import fold
from tests.simulation.activity import CALENDAR, START
from tests.simulation.broker import Broker
from tests.simulation.oracle import Oracle
from tests.simulation.stored import Stored

Counters = Mapping[bytes, tuple[set[bytes], int]]
"""By key: who is counted there, and when it expires."""


def is_caught_up(broker: Broker, stored: Stored, since: float) -> bool:
    """Return whether all is counted, and known to be as of an instant since then."""
    wanted = int((START + timedelta(seconds=since)).timestamp() * 1000)
    return (
        not broker.is_topic_gone
        and stored.topic_id() == str(broker.topic.id)
        and all(
            stored.checkpoint(partition) == log.end and (stored.as_of(partition) or 0) >= wanted
            for partition, log in broker.topic.numbered()
        )
    )


def lag(broker: Broker, stored: Stored) -> str:
    """Return the progress of each partition, for the message of a timeout."""
    return "; ".join(
        f"{partition}: {stored.checkpoint(partition)} of {log.end}, as of {stored.as_of(partition)}"
        for partition, log in broker.topic.numbered()
    )


def check_end(broker: Broker, oracle: Oracle, now: datetime, *, is_log_whole: bool) -> None:
    """Hold everything to a clean projection; of a log that lost something, to what it holds and ever held."""
    clean = clean_counters(broker, now)
    _check_nothing_lost(oracle, clean)
    _check_nothing_made_up(broker, oracle)
    if is_log_whole:
        _check_equal(oracle, clean)


def clean_counters(broker: Broker, now: datetime) -> Counters:
    """Project what the log holds, in one go and without Redis."""
    values = [
        entry.record.value
        for _, log in broker.topic.numbered()
        for entry in log.held()
        if entry.record is not None and not entry.is_poison
    ]
    folded = fold([decode(value) for value in values if value is not None], CALENDAR, COUNT_ALL, now)
    return {
        keys.FIRST.key(each.counter).encode(): ({user.encode() for user in each.user_ids}, each.expires_at)
        for each in folded.additions
    }


def _check_nothing_lost(oracle: Oracle, clean: Counters) -> None:
    store = oracle.stored.store
    for counter, (users, expires_at) in clean.items():
        if lost := users - store.counters.get(counter, set()):
            oracle.fail(f"{counter!r} lacks {sorted(lost)}")
        if store.expires_at.get(counter, 0) != expires_at:
            oracle.fail(f"{counter!r} expires at {store.expires_at.get(counter)}, not at {expires_at}")


def _check_nothing_made_up(broker: Broker, oracle: Oracle) -> None:
    for counter, found in oracle.stored.store.counters.items():
        if extra := found - oracle.published[counter]:
            oracle.fail(f"{counter!r} holds {sorted(extra)}, never published")
    for letter in broker.letters:
        if letter.value not in oracle.poison:
            oracle.fail(f"a dead letter holds what is no poison: {letter.value!r}")


def _check_equal(oracle: Oracle, clean: Counters) -> None:
    for counter, found in oracle.stored.store.counters.items():
        if found != clean.get(counter, (set(), 0))[0]:
            oracle.fail(f"{counter!r} is not that of a clean projection")
    if gaps := oracle.stored.gaps():
        oracle.fail(f"gaps are reported for a log without any: {gaps}")
