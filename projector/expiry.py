"""The expiry of events: why one is older than the retention, and what is recorded of those that were."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, NamedTuple, get_args

ExpiryCause = Literal["older-than-retention", "aged-in-log", "seconds-for-milliseconds", "epoch-zero"]
EXPIRY_CAUSES: Final[tuple[ExpiryCause, ...]] = get_args(ExpiryCause)
HARMLESS: Final[ExpiryCause] = "aged-in-log"
"""The log reaches farther back than the counters: expected while a worker counts an old log."""

_COUNT: Final = "expired:"
_LAST: Final = "expired_at:"

_EPOCHS: Final = tuple(datetime(year, 1, 1, tzinfo=UTC) for year in (1, 1601, 1900, 1970))
"""Zero, as Go and .NET, Windows, NTP and Excel, and Unix write it."""
RECENT: Final = timedelta(days=1)
"""How long operators are warned after the last one."""

_DAY: Final = timedelta(days=1)
"""Zero in local time is up to 14 hours away from the epoch."""
_UNIX: Final = _EPOCHS[-1]
_TOO_SMALL_BY: Final = 1_000
_CHATS_SINCE: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LOGS_SINCE: Final = datetime(2011, 1, 1, tzinfo=UTC)
"""Kafka's first release was in that year: a record that was stamped earlier carries a producer's mistake."""


class Expired(NamedTuple):
    """How many events of a cause were left out, and when the last of them was read."""

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

    `stamp` is when their records came into the log, in ms of the epoch as Kafka has it; `kept_from` returns
    the first instant that is kept at another.
    """
    came_at = _believed(stamp, now)
    kept_then = kept_from(came_at) if came_at else None
    return Counter(_cause(instant, kept_then, now) for instant in instants)


def _cause(occurred_at: datetime, kept_then: datetime | None, now: datetime) -> ExpiryCause:
    if any(abs(occurred_at - epoch) <= _DAY for epoch in _EPOCHS):
        return "epoch-zero"
    # Nobody was active in a chat in January 1970: no look at the record's own stamp is needed.
    if (_CHATS_SINCE - _UNIX) / _TOO_SMALL_BY <= occurred_at - _UNIX <= (now - _UNIX) / _TOO_SMALL_BY + _DAY:
        return "seconds-for-milliseconds"
    if kept_then is not None and occurred_at >= kept_then:
        return HARMLESS
    return "older-than-retention"


def _believed(stamp: int | None, now: datetime) -> datetime | None:
    """Return a record's stamp as an instant, None where it can't be one: a producer may set anything."""
    if stamp is None or not _LOGS_SINCE.timestamp() * 1000 <= stamp <= (now + _DAY).timestamp() * 1000:
        return None
    return datetime.fromtimestamp(stamp / 1000, UTC)


def harmful(expired: Mapping[ExpiryCause, Expired], now: datetime) -> Sequence[ExpiryCause]:
    """Return the causes that a producer is to be corrected for, of events that were read recently."""
    return [cause for cause, found in expired.items() if cause != HARMLESS and now - found.last_at <= RECENT]


def pack_causes(causes: Mapping[ExpiryCause, int]) -> str:
    """Put counts into the form that the script takes: cause and count in turns, with commas between them."""
    return ",".join(f"{cause},{number}" for cause, number in causes.items())


def read_expired(deployment: Mapping[str, str]) -> Mapping[ExpiryCause, Expired]:
    """Read what the script has recorded in the deployment; causes without an event are left out."""
    return {
        cause: Expired(
            int(deployment[f"{_COUNT}{cause}"]),
            datetime.fromtimestamp(int(deployment.get(f"{_LAST}{cause}", 0)) / 1000, UTC),
        )
        for cause in EXPIRY_CAUSES
        if f"{_COUNT}{cause}" in deployment
    }
