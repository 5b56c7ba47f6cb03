"""The expiry of events: the cause why an event is older than the retention, and the recorded counts."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, NamedTuple, get_args

ExpiryCause = Literal["older-than-retention", "aged-in-log", "seconds-for-milliseconds", "epoch-zero"]
EXPIRY_CAUSES: Final[tuple[ExpiryCause, ...]] = get_args(ExpiryCause)
HARMLESS: Final[ExpiryCause] = "aged-in-log"
"""The log is older than the retention of the counters: expected while a worker counts an old log."""

_COUNT: Final = "expired:"
_LAST: Final = "expired_at:"

_EPOCHS: Final = tuple(datetime(year, 1, 1, tzinfo=UTC) for year in (1, 1601, 1900, 1970))
"""The zero of Go and .NET, of Windows, of NTP and Excel, and of Unix."""
RECENT: Final = timedelta(days=1)
"""How long operators are warned after the last expired event."""

_DAY: Final = timedelta(days=1)
"""A zero in local time is up to 14 hours away from the epoch."""
_UNIX: Final = _EPOCHS[-1]
_TOO_SMALL_BY: Final = 1_000
_CHATS_SINCE: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LOGS_SINCE: Final = datetime(2011, 1, 1, tzinfo=UTC)
"""The year of Kafka's first release: an earlier timestamp of a record is an error of the producer."""


class Expired(NamedTuple):
    """The number of expired events of a cause, and when the last of them was read."""

    events: int
    last_at: datetime


def count_causes(
    instants: Iterable[datetime],
    *,
    stamp: int | None,
    now: datetime,
    kept_from: Callable[[datetime], datetime | None],
) -> Mapping[ExpiryCause, int]:
    """Count expired events, given their `occurred_at`, by cause.

    `stamp` is when their records were appended to the log, in ms of the epoch; `kept_from` returns the first
    instant that had not expired at a given instant.
    """
    appended_at = _plausible(stamp, now)
    kept_then = kept_from(appended_at) if appended_at else None
    return Counter(_cause(instant, kept_then, now) for instant in instants)


def _cause(occurred_at: datetime, kept_then: datetime | None, now: datetime) -> ExpiryCause:
    if any(abs(occurred_at - epoch) <= _DAY for epoch in _EPOCHS):
        return "epoch-zero"
    # No chat existed in January 1970: the record's own timestamp need not be checked.
    if (_CHATS_SINCE - _UNIX) / _TOO_SMALL_BY <= occurred_at - _UNIX <= (now - _UNIX) / _TOO_SMALL_BY + _DAY:
        return "seconds-for-milliseconds"
    if kept_then is not None and occurred_at >= kept_then:
        return HARMLESS
    return "older-than-retention"


def _plausible(stamp: int | None, now: datetime) -> datetime | None:
    """Return a record's timestamp as an instant, None if it is implausible: a producer may set any."""
    if stamp is None or not _LOGS_SINCE.timestamp() * 1000 <= stamp <= (now + _DAY).timestamp() * 1000:
        return None
    return datetime.fromtimestamp(stamp / 1000, UTC)


def harmful(expired: Mapping[ExpiryCause, Expired], now: datetime) -> Sequence[ExpiryCause]:
    """Return the causes that point to a faulty producer, of events that were read recently."""
    return [cause for cause, found in expired.items() if cause != HARMLESS and now - found.last_at <= RECENT]


def pack_causes(causes: Mapping[ExpiryCause, int]) -> str:
    """Encode counts as the argument of `apply.lua`: `cause,count,cause,count`."""
    return ",".join(f"{cause},{number}" for cause, number in causes.items())


def read_expired(deployment: Mapping[str, str]) -> Mapping[ExpiryCause, Expired]:
    """Read the counts that the script has recorded in the deployment; causes without events are absent."""
    return {
        cause: Expired(
            int(deployment[f"{_COUNT}{cause}"]),
            datetime.fromtimestamp(int(deployment.get(f"{_LAST}{cause}", 0)) / 1000, UTC),
        )
        for cause in EXPIRY_CAUSES
        if f"{_COUNT}{cause}" in deployment
    }
