"""The metrics of the API, kept in metrics of prometheus_client.

A worker is one process, so that its metrics are collected from its statistics at each scrape. Several API
processes are summed by prometheus_client through shared files, which only contain its own metrics: therefore
the statistics of the API are copied into them.
"""

import time
from collections import Counter as Counts
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from math import inf
from typing import Any, Final, Generic, TypeVar, get_args

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from api.auth.tokens import Token
from api.errors import LimitedBy, LoginFailure, Rejections
from api.fast_path import FAST_PATH
from headcount.telemetry import names
from headcount.telemetry.names import Metric, build
from httpd.stats import Cause, ConnectionStats

Label = TypeVar("Label", bound=str)


class CopiedCounter(Generic[Label]):
    """Copies counts by label into a counter of prometheus_client; each of `labels` starts at 0."""

    def __init__(
        self, metric: Metric, stats: Mapping[Label, int], labels: Iterable[Label], registry: CollectorRegistry
    ) -> None:
        self._stats: Final = stats
        self._counter = Counter(metric.name, metric.help, metric.labels, registry=registry)
        self._copied: Counts[Label] = Counts()
        for label in labels:
            self._counter.labels(label)

    def follow(self) -> None:
        """Add the increase since the last call."""
        for label, count in self._stats.items():
            self._counter.labels(label).inc(count - self._copied[label])
            self._copied[label] = count


BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5)
"""In seconds; finer around the request deadline of 0.9 s."""


class ApiMetrics:
    """All of `names.API` for one process; `rejections` and `connections` are counted by their owners."""

    def __init__(
        self, registry: CollectorRegistry, *, rejections: Rejections, connections: ConnectionStats
    ) -> None:
        # The `_created` series would double the number of series without any use.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library leaves this one untyped
        self._connections = connections
        self._seconds = Histogram(
            names.HTTP_REQUEST_SECONDS.name,
            names.HTTP_REQUEST_SECONDS.help,
            names.HTTP_REQUEST_SECONDS.labels,
            buckets=BUCKETS,
            registry=registry,
        )
        self._observers: dict[
            tuple[str, int], Callable[[float], None]
        ] = {}  # a lookup costs more than an observation
        # "livesum" excludes processes that have ended.
        self._open = Gauge(
            names.HTTP_CONNECTIONS.name,
            names.HTTP_CONNECTIONS.help,
            multiprocess_mode="livesum",
            registry=registry,
        )
        # The minimum over running processes: each of them reads all tokens.
        self._token_expiry = Gauge(
            names.TOKEN_EXPIRY.name,
            names.TOKEN_EXPIRY.help,
            multiprocess_mode="livemin",
            registry=registry,
        )
        self._token_expiry.set(inf)
        self._mirrors = _mirrors(registry, rejections, connections)
        _export_build(registry)

    def note_request(self, route: str, status: int, seconds: float) -> None:
        """Observe a response; `route` is the pattern of a path."""
        observe = self._observers.get((route, status))
        if observe is None:
            observe = self._observers[route, status] = self._seconds.labels(route, status).observe
        observe(seconds)

    def note_tokens(self, tokens: Iterable[Token], now: datetime) -> None:
        """Set the earliest expiry of the tokens that are valid at `now`."""
        expiries = [token.expires_at for token in tokens if token.expires_at and token.is_active(now)]
        self._token_expiry.set(min(expiries).timestamp() if expiries else inf)

    def follow(self) -> None:
        """Copy the statistics into the metrics."""
        self._open.set(self._connections.open)
        for mirror in self._mirrors:
            mirror.follow()


def _mirrors(
    registry: CollectorRegistry, rejections: Rejections, connections: ConnectionStats
) -> tuple[CopiedCounter[Any], ...]:
    return (
        CopiedCounter(
            names.AUTHENTICATION_FAILURES, rejections.failed_logins, get_args(LoginFailure), registry
        ),
        CopiedCounter(names.RATE_LIMITED, rejections.rate_limited, get_args(LimitedBy), registry),
        CopiedCounter(names.HTTP_CONNECTIONS_REFUSED, connections.refused, Cause, registry),
    )


def _export_build(registry: CollectorRegistry) -> None:
    # "max" yields one value for all processes; it is 1 in each.
    info = Gauge(
        names.BUILD_INFO.name,
        names.BUILD_INFO.help,
        names.BUILD_INFO.labels,
        multiprocess_mode="max",
        registry=registry,
    )
    info.labels(*build()).set(1)


UNKNOWN_ROUTE: Final = "unknown"
"""The label of all other paths, so that clients can't add label values."""


def measure(app: web.Application, metrics: ApiMetrics) -> None:
    """Observe every response of an app that is not started yet."""
    app[FAST_PATH].record = metrics.note_request
    # The outermost one, because the other middlewares turn errors into responses.
    app.middlewares.insert(0, measuring(metrics))


def measuring(metrics: ApiMetrics) -> Middleware:
    """Return a middleware that observes every response."""

    @web.middleware
    async def measure(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.perf_counter()
        response = await handler(request)
        metrics.note_request(_route(request), response.status, time.perf_counter() - started)
        return response

    return measure


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return UNKNOWN_ROUTE if resource is None else resource.canonical
