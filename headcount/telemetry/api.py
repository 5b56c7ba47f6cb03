"""The API's metrics, in the library's own form: it adds up several processes through shared files."""

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


class Mirror(Generic[Label]):
    """Counts up what the tally has by label. Each of `labels` is there from the start, at 0."""

    def __init__(
        self, metric: Metric, stats: Mapping[Label, int], labels: Iterable[Label], registry: CollectorRegistry
    ) -> None:
        self._stats: Final = stats
        self._counter = Counter(metric.name, metric.counter_config, metric.labels, registry=registry)
        self._taken: Counts[Label] = Counts()
        for label in labels:
            self._counter.labels(label)

    def follow(self) -> None:
        """Take over what was counted since the last call."""
        for label, count in self._stats.items():
            self._counter.labels(label).inc(count - self._taken[label])
            self._taken[label] = count


BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5)
"""Around a deadline of 0.9 s, finely."""


class ApiMetrics:
    """All of `names.API`, of one process. The tallies belong to whoever counts them up."""

    def __init__(
        self, registry: CollectorRegistry, *, rejections: Rejections, connections: ConnectionStats
    ) -> None:
        # They would be a second series for each counter, which nothing asks for.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library leaves this one untyped
        self._connections = connections
        self._seconds = Histogram(
            names.HTTP_REQUEST_SECONDS.name,
            names.HTTP_REQUEST_SECONDS.counter_config,
            names.HTTP_REQUEST_SECONDS.labels,
            buckets=BUCKETS,
            registry=registry,
        )
        self._observers: dict[
            tuple[str, int], Callable[[float], None]
        ] = {}  # to look one up costs more than to count
        # "live" sums leave out processes that have ended.
        self._open = Gauge(
            names.HTTP_CONNECTIONS.name,
            names.HTTP_CONNECTIONS.counter_config,
            multiprocess_mode="livesum",
            registry=registry,
        )
        # The least of those that run: each reads all tokens.
        self._token_expiry = Gauge(
            names.TOKEN_EXPIRY.name,
            names.TOKEN_EXPIRY.counter_config,
            multiprocess_mode="livemin",
            registry=registry,
        )
        self._token_expiry.set(inf)
        self._mirrors = _mirrors(registry, rejections, connections)
        _show_build(registry)

    def note_request(self, route: str, status: int, seconds: float) -> None:
        """Count an answer; `route` is a pattern, of which there are few."""
        observe = self._observers.get((route, status))
        if observe is None:
            observe = self._observers[route, status] = self._seconds.labels(route, status).observe
        observe(seconds)

    def note_tokens(self, tokens: Iterable[Token], now: datetime) -> None:
        """Show when the next of the tokens that are valid at `now` expires."""
        expiries = [token.expires_at for token in tokens if token.expires_at and token.is_active(now)]
        self._token_expiry.set(min(expiries).timestamp() if expiries else inf)

    def follow(self) -> None:
        """Take over what the tallies have counted."""
        self._open.set(self._connections.open)
        for mirror in self._mirrors:
            mirror.follow()


def _mirrors(
    registry: CollectorRegistry, rejections: Rejections, connections: ConnectionStats
) -> tuple[Mirror[Any], ...]:
    return (
        Mirror(names.AUTHENTICATION_FAILURES, rejections.failed_logins, get_args(LoginFailure), registry),
        Mirror(names.RATE_LIMITED, rejections.rate_limited, get_args(LimitedBy), registry),
        Mirror(names.HTTP_CONNECTIONS_REFUSED, connections.refused, Cause, registry),
    )


def _show_build(registry: CollectorRegistry) -> None:
    # "max" is one value for all processes: it is 1 in each.
    info = Gauge(
        names.BUILD_INFO.name,
        names.BUILD_INFO.counter_config,
        names.BUILD_INFO.labels,
        multiprocess_mode="max",
        registry=registry,
    )
    info.labels(*build()).set(1)


UNKNOWN_ROUTE: Final = "unknown"
"""Any path that is none of ours: a client must not be able to add labels."""


def measure(app: web.Application, metrics: ApiMetrics) -> None:
    """Note every answer of an app that does not run yet."""
    app[FAST_PATH].note = metrics.note_request
    # The outermost: what the other middlewares make of an error is the answer.
    app.middlewares.insert(0, measuring(metrics))


def measuring(metrics: ApiMetrics) -> Middleware:
    """Return a middleware that notes every answer."""

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
