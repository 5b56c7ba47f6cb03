"""Runs the API in this process, or as a parent that accepts connections for child processes."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, nullcontext
from datetime import timedelta
from functools import partial
from typing import Final

import structlog
from aiohttp import web

from api.app import create_app
from api.auth.admission import ClientLimits
from api.fast_path import FAST_PATH
from api.limits.redis_rate_limiter import RedisRateLimiter
from api.routing import body_limit_of
from api.store.tokens import RedisTokenStore
from headcount.clients import api_redis
from headcount.preflight.redis import check_redis_login, check_rights
from headcount.signals import STOP_SECONDS
from headcount.telemetry.sharing import CommonMetrics, common_port
from headcount.wiring import Config, utc_now
from httpd.listener import bound, url_of
from httpd.processes.balancer import Balancer
from httpd.processes.child import Child, running_child
from httpd.processes.supervisor import RestartPolicy, Supervisor
from httpd.server import Entrance, listening, own_port
from httpd.stats import ConnectionStats
from projector.redis import Redis
from projector.views.daily import RedisView

REQUEST_DEADLINE: Final = timedelta(seconds=0.9)
"""Longer than the API waits for Redis, so that a client gets the reason of a failure within a second."""


log = structlog.get_logger(__name__)


Observe = Callable[[web.Application, ConnectionStats], AbstractAsyncContextManager[object]]


def unobserved(_app: web.Application, _connections: ConnectionStats) -> AbstractAsyncContextManager[None]:
    """Observe nothing."""
    return nullcontext()


def log_listening(url: str) -> None:
    """Log the URL of the API."""
    log.info("listening", url=url)


async def serve_api(
    config: Config,
    stopping: asyncio.Event,
    *,
    on_listening: Callable[[str], None] = log_listening,
    observe: Observe = unobserved,
    entrance: Entrance = own_port,
) -> None:
    """Serve requests until `stopping` is set; `on_listening` is called with the URL once the API listens.

    `observe` wraps the serving; it gets the app before it starts, and the statistics of connections.
    Connections are accepted through the `entrance`.
    """
    async with api_redis(config) as redis:
        await check_redis_login(redis, config)
        view = RedisView(redis, time_zone=config.counting.time_zone.key)
        tokens = RedisTokenStore(redis)
        await check_rights(view.as_of(), tokens.ping())
        app = create_app(
            view=view,
            tokens=tokens,
            time_zone=config.counting.time_zone,
            clock=utc_now,
            limits=client_limits(config, redis),
        )
        connections = ConnectionStats()
        async with (
            observe(app, connections),
            listening(
                app,
                config.http,
                connections,
                entrance=entrance,
                wrap=app[FAST_PATH].wrap,
                body_limit_of=partial(body_limit_of, app),
            ) as url,
        ):
            on_listening(url)
            await stopping.wait()


def client_limits(config: Config, redis: Redis) -> ClientLimits:
    """Return the limits of the API's clients; requests are counted in the given Redis."""
    limit = config.http.requests_per_minute
    return ClientLimits(
        requests=RedisRateLimiter(redis, per_minute=limit) if limit else None,
        deadline=REQUEST_DEADLINE,
        failed_logins_per_minute=config.http.failed_logins_per_minute,
        trusted_proxies=config.http.trusted_proxies,
    )


async def check_port(config: Config) -> None:
    """Raise `OperatorError` if the API can't listen on its port."""
    async with listening(web.Application(), config.http, ConnectionStats()):
        pass


PROGRAM: Final = (sys.executable, "-P", "-m", "headcount.cli.api_process")
"""`-P` keeps the working directory off the path: a folder named `api` there must not be imported."""


async def serve_api_processes(
    config: Config, stopping: asyncio.Event, *, processes: int, environ: Mapping[str, str]
) -> None:
    """Serve requests with child processes until `stopping` is set; each reads its settings from `environ`.

    Raises `OperatorError` if a port is taken or the child processes keep exiting.
    """
    async with common_port(config, environ) as metrics, asyncio.TaskGroup() as group:
        async with bound(config.http.host, config.http.port) as sockets:
            # Closed before the children exit, so that new connections are refused instead of queued.
            with closing(Balancer(sockets)) as balancer:
                url = url_of(sockets[0])
                supervisor = Supervisor(
                    partial(_measured_child, url, metrics), balancer.open_to, RestartPolicy()
                )
                announce = partial(log.info, "listening", url=url, processes=processes)
                keeping = group.create_task(supervisor.run(processes, announce))
                await stopping.wait()
        keeping.cancel()


@asynccontextmanager
async def _measured_child(url: str, metrics: CommonMetrics) -> AsyncIterator[Child]:
    async with running_child(url, metrics.environ, program=PROGRAM, stop_seconds=STOP_SECONDS) as child:
        yield child
    # A killed process can't remove the gauge of its connections itself.
    metrics.forget(child.pid)
