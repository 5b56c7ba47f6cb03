"""The commands that run until Ctrl-C or SIGTERM."""

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
    """Start everything on this machine and replay a week of real chat activity that ends now.

    Kafka and Valkey (compatible with Redis) run as child processes, without Docker and Java. Their data is
    kept in HEADCOUNT_HOME for the next run. KAFKA_BOOTSTRAP_SERVERS, REDIS_URL and USER_ID_HASH_KEY are
    ignored.

    Example: `HTTP_PORT=9000 headcount run`
    """
    host(_run)


def services(*, json: AsJson = False) -> None:
    """Start only the embedded Kafka and Valkey, and print their addresses as environment variables.

    Example: `headcount services > .env &`
    """
    show = print_json if json else _print_environment
    host(lambda config: cancelled_by_signals(_run_servers(config, show), _announce))


def worker() -> None:
    """Count the events of the log until stopped.

    Start up to one worker per partition: the workers of a consumer group share the partitions.

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
            help="The number of processes on the port; HTTP_PROCESSES if not given.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Serve the HTTP API until stopped.

    A process uses one core: start as many processes as there are spare cores. If one of several exits, it is
    replaced while the others keep serving.

    Example: `REDIS_URL=redis://redis:6379/0 HTTP_HOST=0.0.0.0 HTTP_PORT=8080 headcount api --processes 4`
    """
    serve(partial(_api, processes))


async def _run(config: Config) -> None:
    _warn_of_unknown_settings()
    with _embedded():
        from headcount.demo.run import run as run_everything  # noqa: PLC0415 - see _embedded
        from headcount.demo.screen import Screen  # noqa: PLC0415
    screen = Screen(
        Console(force_terminal=sys.stdout.isatty())
    )  # a pipe is no terminal, even with FORCE_COLOR
    await cancelled_by_signals(run_everything(config, screen), screen.say)


@contextmanager
def _embedded() -> Iterator[None]:
    """Import modules of the extra `embedded`, which installations of worker and API lack."""
    try:
        yield
    except ImportError as error:
        raise OperatorError(
            f"The embedded servers are not installed ({error.name} is missing): "
            "install headcount[embedded], or run worker and API with an existing Kafka and Redis."
        ) from error


async def _run_servers(config: Config, show: Callable[[Mapping[str, str]], None]) -> None:
    _warn_of_unknown_settings()
    with _embedded():
        from headcount.demo.home import key_file, lock_home  # noqa: PLC0415 - see _embedded
        from headcount.demo.servers import embedded_servers  # noqa: PLC0415
    with lock_home(config.home):
        async with embedded_servers(config, _announce) as embedded:
            show(
                {
                    "kafka_bootstrap_servers": embedded.kafka.bootstrap_servers,
                    "redis_url": embedded.redis.url,
                    "user_id_hash_key_file": os.fspath(key_file(embedded.home)),
                }
            )
            await asyncio.Event().wait()


def _announce(text: str) -> None:
    typer.echo(text, err=True)


def _print_environment(addresses: Mapping[str, str]) -> None:
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
