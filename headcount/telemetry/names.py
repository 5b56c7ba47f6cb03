"""All metrics: name, kind, help text and labels. `docs/reference/metrics.md` repeats this list."""

import platform
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final, Literal

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. Its labels take few values; neither clients nor events can add values."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


RECORDS: Final = Metric("headcount_records_total", "counter", "Records read from Kafka and decoded.")
EVENTS: Final = Metric(
    "headcount_events_total",
    "counter",
    "Events in applied batches: counted, ignored by a setting, anonymous, or older than the retention.",
    ("result",),
)
EXPIRED_EVENTS: Final = Metric(
    "headcount_expired_events_total",
    "counter",
    "Events not counted because they are older than the retention, by cause.",
    ("cause",),
)
DEAD_LETTERS: Final = Metric(
    "headcount_dead_letters_total", "counter", "Records that are not events, by reason.", ("reason",)
)
DEAD_LETTERS_WAITING: Final = Metric(
    "headcount_dead_letters_waiting",
    "gauge",
    "Dead letters whose records were not redriven; exported by the worker of partition 0.",
)
BATCHES: Final = Metric("headcount_batches_total", "counter", "Batches that advanced a checkpoint.")
APPLY_SECONDS: Final = Metric(
    "headcount_apply_seconds",
    "histogram",
    "Time until Redis acknowledged a batch that advanced a checkpoint.",
)
EVENT_AGE_SECONDS: Final = Metric(
    "headcount_event_age_seconds",
    "histogram",
    "Time from an event's occurred_at until it was counted; at most 16 events of a batch are sampled.",
)
LAG: Final = Metric(
    "headcount_partition_lag_records",
    "gauge",
    "Offsets between the checkpoint and the end of the log.",
    ("partition",),
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
    "1 while the counters lack records of the partition and the API answers 503.",
    ("partition",),
)
STOPPED: Final = Metric(
    "headcount_partition_stopped",
    "gauge",
    "1 while the partition is stopped and needs an operator.",
    ("partition",),
)
WAITS: Final = Metric(
    "headcount_waits_total", "counter", "Waits of at most one second because Kafka or Redis was unavailable."
)
WAITING: Final = Metric("headcount_waiting", "gauge", "1 while Kafka or Redis is known to be unavailable.")
ROLLBACKS: Final = Metric(
    "headcount_rollbacks_total", "counter", "Times that Redis was found to have lost its latest writes."
)
REFUSED_BATCHES: Final = Metric(
    "headcount_refused_batches_total",
    "counter",
    "Batches rejected because another worker had advanced the checkpoint.",
)
GAPS: Final = Metric(
    "headcount_gaps_total",
    "counter",
    "Gaps found: records that the log lost before they were counted.",
    ("cause",),
)
REDIS_MEMORY_USED: Final = Metric(
    "headcount_redis_memory_used_bytes", "gauge", "Memory used by Redis; absent while Redis does not answer."
)
REDIS_MEMORY_LIMIT: Final = Metric(
    "headcount_redis_memory_limit_bytes",
    "gauge",
    "The maxmemory of Redis, 0 for no limit; absent while Redis does not answer.",
)
HTTP_REQUEST_SECONDS: Final = Metric(
    "headcount_http_request_seconds",
    "histogram",
    "Time from the head of a request to its response, by route and status.",
    ("route", "status"),
)
AUTHENTICATION_FAILURES: Final = Metric(
    "headcount_authentication_failures_total", "counter", "Failed logins, by kind.", ("kind",)
)
RATE_LIMITED: Final = Metric(
    "headcount_rate_limited_total",
    "counter",
    "Requests answered with 429: too many for a token, or too many failed logins from an address.",
    ("by",),
)
TOKEN_EXPIRY: Final = Metric(
    "headcount_token_expiry_timestamp_seconds",
    "gauge",
    "The earliest expiry of a valid token; +Inf if no valid token expires.",
)
HTTP_CONNECTIONS: Final = Metric("headcount_http_connections", "gauge", "Open connections.")
HTTP_CONNECTIONS_REFUSED: Final = Metric(
    "headcount_http_connections_refused_total",
    "counter",
    "Connections refused or closed by the server, by cause.",
    ("cause",),
)
BUILD_INFO: Final = Metric(
    "headcount_build_info",
    "gauge",
    "Always 1; the labels are the versions of Headcount and Python.",
    ("version", "python"),
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
    """Return the label values of `headcount_build_info`."""
    return version("headcount"), platform.python_version()
