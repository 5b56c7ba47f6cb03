"""The commands that go on until they are stopped, by Ctrl-C or by SIGTERM."""

import asyncio
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Annotated

import structlog
import typer
from rich.console import Console

from headcount.api import serve_api, serve_api_processes
from headcount.cli.execution import host, serve
from headcount.cli.output import AsJson, print_json
from headcount.gc_tuning import tune_gc
from headcount.settings import MOST_PROCESSES, unknown_settings
from headcount.signals import cancelled_by_signals, stopped_by_signals
from headcount.telemetry.api_port import api_port
from headcount.telemetry.worker_port import serve_measured_worker
from headcount.wiring import Config
from ingest.errors import OperatorError

log = structlog.get_logger(__name__)


def run() -> None:
    """Start everything on this machine, and replay a week of real chat activity that ends now.

    Kafka and Valkey (a Redis) run as child processes, without Docker and Java; their files are in
    HEADCOUNT_HOME, and the next run goes on from there. KAFKA_BOOTSTRAP_SERVERS, REDIS_URL and
    USER_ID_HASH_KEY are not used.

    Example: `HTTP_PORT=9000 headcount run`
    """
    host(_run)


def services(*, json: AsJson = False) -> None:
    """Start only the embedded Kafka and Valkey, and print their addresses as lines for an environment.

    Example: `headcount services > .env &`
    """
    show = print_json if json else _print_lines
    host(lambda config: cancelled_by_signals(_hold_servers(config, show), _tell))


def worker() -> None:
    """Read the log and keep the counters, until it is stopped.

    Start as many as there are partitions: they share the work. Which one counts an event makes no difference.

    Example: `KAFKA_BOOTSTRAP_SERVERS=kafka:9092 REDIS_URL=redis://redis:6379/0 headcount worker`
    """
    tune_gc()
    serve(_worker)


def api(
    *,
    processes: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MOST_PROCESSES,
            help="How many processes share the port; HTTP_PROCESSES if not given.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Answer the dashboard's requests, until it is stopped.

    One process uses one core: give it as many as there are cores to spare. Should one of several end, the
    others go on, and it is replaced.

    Example: `REDIS_URL=redis://redis:6379/0 HTTP_HOST=0.0.0.0 HTTP_PORT=8080 headcount api --processes 4`
    """
    serve(partial(_api, processes))


async def _run(config: Config) -> None:
    _warn_of_unknown_settings()
    with _embedded():
        from headcount.demo.run import run as run_everything  # noqa: PLC0415 - see _embedded
        from headcount.demo.screen import Screen  # noqa: PLC0415
    screen = Screen(Console(force_terminal=sys.stdout.isatty()))  # with FORCE_COLOR a pipe is none
    await cancelled_by_signals(run_everything(config, screen), screen.say)


@contextmanager
def _embedded() -> Iterator[None]:
    """Import what only the embedded servers need: a server of worker and API is installed without it."""
    try:
        yield
    except ImportError as error:
        raise OperatorError(
            f"The embedded servers are not installed here ({error.name} is missing): "
            "install headcount[embedded], or give worker and API a Kafka and a Redis."
        ) from error


async def _hold_servers(config: Config, show: Callable[[Mapping[str, str]], None]) -> None:
    _warn_of_unknown_settings()
    with _embedded():
        from headcount.demo.home import key_file, lock_home  # noqa: PLC0415 - see _embedded
        from headcount.demo.servers import embedded_servers  # noqa: PLC0415
    with lock_home(config.home):
        async with embedded_servers(config, _tell) as ours:
            show(
                {
                    "kafka_bootstrap_servers": ours.kafka.bootstrap_servers,
                    "redis_url": ours.redis.url,
                    "user_id_hash_key_file": os.fspath(key_file(ours.home)),
                }
            )
            await asyncio.Event().wait()


def _tell(text: str) -> None:
    typer.echo(text, err=True)


def _print_lines(addresses: Mapping[str, str]) -> None:
    for name, address in addresses.items():
        typer.echo(f"{name.upper()}={address}")


def _warn_of_unknown_settings() -> None:
    for unknown in unknown_settings(os.environ):
        log.warning("unknown setting has no effect", name=unknown.name, meant=unknown.meant)


async def _worker(config: Config) -> None:
    _warn_of_unknown_settings()
    async with stopped_by_signals() as stopping:
        await serve_measured_worker(config, stopping)


async def _api(processes: int | None, config: Config) -> None:
    _warn_of_unknown_settings()
    count = processes or config.http.processes
    async with stopped_by_signals() as stopping:
        if count == 1:
            await serve_api(config, stopping, observe=partial(api_port, config))
        else:
            await serve_api_processes(config, stopping, processes=count, environ=os.environ)
