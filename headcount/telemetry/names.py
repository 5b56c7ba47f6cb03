"""Every metric there is: its name, kind, meaning and labels. `docs/reference/metrics.md` lists the same."""

import platform
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final, Literal

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. A label takes few values, which no client and no event can add to."""

    name: str
    kind: Kind
    counter_config: str
    labels: tuple[str, ...] = ()


RECORDS: Final = Metric("headcount_records_total", "counter", "Records read and sorted.")
EVENTS: Final = Metric(
    "headcount_events_total",
    "counter",
    "Events in batches that went through: counted, left out by a setting, anonymous, or too old to be kept.",
    ("result",),
)
EXPIRED_EVENTS: Final = Metric(
    "headcount_expired_events_total",
    "counter",
    "Events older than the retention, which are in no counter, by why they are.",
    ("cause",),
)
DEAD_LETTERS: Final = Metric(
    "headcount_dead_letters_total", "counter", "Records that are no event, by what they break.", ("reason",)
)
DEAD_LETTERS_WAITING: Final = Metric(
    "headcount_dead_letters_waiting",
    "gauge",
    "Dead letters whose records were not published again; shown by the worker of partition 0.",
)
BATCHES: Final = Metric("headcount_batches_total", "counter", "Batches that moved a checkpoint.")
APPLY_SECONDS: Final = Metric(
    "headcount_apply_seconds", "histogram", "How long Redis took for a batch that moved a checkpoint."
)
EVENT_AGE_SECONDS: Final = Metric(
    "headcount_event_age_seconds",
    "histogram",
    "From an event's occurred_at to the moment it was in; of a batch's events, up to 16 stand for all.",
)
LAG: Final = Metric(
    "headcount_partition_lag_records", "gauge", "Offsets that are still to be read.", ("partition",)
)
AS_OF: Final = Metric(
    "headcount_partition_as_of_timestamp_seconds",
    "gauge",
    "The instant up to which every event is counted; absent while the partition is catching up.",
    ("partition",),
)
CATCHING_UP: Final = Metric(
    "headcount_partition_catching_up",
    "gauge",
    "1 while the partition does not hold the whole log, and the API answers 503.",
    ("partition",),
)
STOPPED: Final = Metric(
    "headcount_partition_stopped", "gauge", "1 while the partition waits for an operator.", ("partition",)
)
WAITS: Final = Metric(
    "headcount_waits_total", "counter", "Pauses of up to a second in which Kafka or Redis was away."
)
WAITING: Final = Metric("headcount_waiting", "gauge", "1 while Kafka or Redis is known to be away.")
ROLLBACKS: Final = Metric(
    "headcount_rollbacks_total", "counter", "How often Redis was found to have lost its newest state."
)
REFUSED_BATCHES: Final = Metric(
    "headcount_refused_batches_total", "counter", "Batches dropped because another worker had gone on."
)
GAPS: Final = Metric(
    "headcount_gaps_total", "counter", "Places found where the log had lost what was not counted.", ("cause",)
)
REDIS_MEMORY_USED: Final = Metric(
    "headcount_redis_memory_used_bytes", "gauge", "What Redis holds; absent while it does not answer."
)
REDIS_MEMORY_LIMIT: Final = Metric(
    "headcount_redis_memory_limit_bytes",
    "gauge",
    "Redis' maxmemory, 0 for no limit; absent while Redis does not answer.",
)
HTTP_REQUEST_SECONDS: Final = Metric(
    "headcount_http_request_seconds",
    "histogram",
    "From a request's head to its answer, by the path's pattern and the answer's status.",
    ("route", "status"),
)
AUTHENTICATION_FAILURES: Final = Metric(
    "headcount_authentication_failures_total", "counter", "Failed logins, by what was wrong.", ("kind",)
)
RATE_LIMITED: Final = Metric(
    "headcount_rate_limited_total",
    "counter",
    "Requests answered 429: too many of one token, or failed logins from one address.",
    ("by",),
)
TOKEN_EXPIRY: Final = Metric(
    "headcount_token_expiry_timestamp_seconds",
    "gauge",
    "The instant at which the next of the valid tokens expires; +Inf if none of them does.",
)
HTTP_CONNECTIONS: Final = Metric("headcount_http_connections", "gauge", "Connections that are open.")
HTTP_CONNECTIONS_REFUSED: Final = Metric(
    "headcount_http_connections_refused_total",
    "counter",
    "Connections refused, or ended before their client was done.",
    ("cause",),
)
BUILD_INFO: Final = Metric(
    "headcount_build_info", "gauge", "Always 1: which version runs, on which Python.", ("version", "python")
)

WORKER: Final = (
    RECORDS,
    EVENTS,
    EXPIRED_EVENTS,
    DEAD_LETTERS,
    DEAD_LETTERS_WAITING,
    BATCHES,
    APPLY_SECONDS,
    EVENT_AGE_SECONDS,
    LAG,
    AS_OF,
    CATCHING_UP,
    STOPPED,
    WAITS,
    WAITING,
    ROLLBACKS,
    REFUSED_BATCHES,
    GAPS,
    REDIS_MEMORY_USED,
    REDIS_MEMORY_LIMIT,
    BUILD_INFO,
)
API: Final = (
    HTTP_REQUEST_SECONDS,
    AUTHENTICATION_FAILURES,
    RATE_LIMITED,
    TOKEN_EXPIRY,
    HTTP_CONNECTIONS,
    HTTP_CONNECTIONS_REFUSED,
    BUILD_INFO,
)


def build() -> tuple[str, str]:
    """Return the values of the labels of `headcount_build_info`."""
    return version("headcount"), platform.python_version()
