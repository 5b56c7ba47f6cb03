"""Runs servers, API, worker and live replay on one machine, and shows a client's view of them."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from aiohttp import ClientSession

from api.store.tokens import RedisTokenStore
from headcount.api import check_port, serve_api
from headcount.clients import api_redis
from headcount.demo.client import USER_ID, WORKSPACE_ID, Demo, demo_token
from headcount.demo.home import key_file, lock_home, write_private
from headcount.demo.live import DAYS, Bookmark, LiveReplay
from headcount.demo.running import running
from headcount.demo.screen import Screen
from headcount.demo.servers import embedded_servers
from headcount.demo.watch import Watch
from headcount.ops.replay.publisher import open_publisher
from headcount.ops.replay.week import load_week
from headcount.preflight.connections import create_topics
from headcount.telemetry.api_port import api_port
from headcount.telemetry.port import api_port_of, check_ports, worker_port_of
from headcount.telemetry.worker_port import serve_measured_worker
from headcount.wiring import Config, utc_now
from ingest.worker.stats import Stats

RUN_FILE: Final = "run.json"


async def run(config: Config, screen: Screen) -> None:
    """Run until cancelled; parts are stopped in reverse order: replay, worker, API, servers."""
    with lock_home(config.home) as home:  # before the ports, which another run would occupy as well
        await check_port(config)  # before the slow start of the servers
        await check_ports(config)
        (home / RUN_FILE).unlink(missing_ok=True)  # of a killed run
        screen.say("Starting Kafka and Valkey ...")
        async with embedded_servers(config, screen.say) as embedded:
            await _run_on(embedded, screen)


async def _run_on(config: Config, screen: Screen) -> None:
    await create_topics(config)
    listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    stats = Stats()
    async with (
        running(
            partial(serve_api, config, on_listening=listening.set_result, observe=partial(api_port, config))
        ),
        running(partial(serve_measured_worker, config, stats=stats)),
        open_publisher(config) as publisher,
    ):
        demo = await _demo(config, await listening)
        bookmark = Bookmark(config.home / "replay.json", config.kafka.topic)
        live = LiveReplay(load_week(), publisher, bookmark, utc_now)
        screen.say(_published(await live.catch_up()))
        async with running(live.follow), ClientSession() as session:
            await _present(config, demo, Watch(config, demo, session, stats), screen)


async def _demo(config: Config, api_url: str) -> Demo:
    async with api_redis(config) as redis:
        kept = config.home / "token.json"
        token = await demo_token(RedisTokenStore(redis), kept, utc_now())
    return Demo(api_url=api_url, auth_token=token, time_zone=config.counting.time_zone)


def _published(events: int) -> str:
    if not events:
        return f"All events of the last {DAYS} days were already published."
    return f"Published {events:,} event{'' if events == 1 else 's'} of the last {DAYS} days."


async def _present(config: Config, demo: Demo, watch: Watch, screen: Screen) -> None:
    await watch.first_answer()
    with _run_file(config, demo) as run_file:
        screen.block(
            curl=demo.curl(utc_now()),
            environment={name.upper(): value for name, value in _addresses(config).items()},
            metrics=_metrics(config),
            run_file=run_file,
        )
        with screen.flowing() as show:
            await watch.follow(show, screen.refresh_seconds)


def _addresses(config: Config) -> dict[str, str]:
    """Return the settings with which other commands connect to these servers."""
    return {
        "kafka_bootstrap_servers": config.kafka.bootstrap_servers,
        "kafka_topic": config.kafka.topic,
        "redis_url": config.redis.url,
        "user_id_hash_key_file": os.fspath(key_file(config.home)),
    }


def _metrics(config: Config) -> str:
    ports = [port for port in (worker_port_of(config), api_port_of(config)) if port]
    if not all(port.number for port in ports):
        return "free ports, logged with LOG_LEVEL=info"
    return " and ".join(f"http://{port.host}:{port.number}/metrics" for port in ports) or "no port (off)"


@contextmanager
def _run_file(config: Config, demo: Demo) -> Iterator[Path]:
    """Keep the file while its addresses are valid, because scripts read it."""
    path = config.home / RUN_FILE
    document = {
        "api_url": demo.api_url,
        "workspace_id": WORKSPACE_ID,
        "user_id": USER_ID,
        "auth_token": demo.auth_token,
        **_addresses(config),
        "pid": os.getpid(),
    }
    write_private(path, document)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
