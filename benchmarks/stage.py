"""Where a benchmark plays: private servers in a folder that is gone afterwards, and what is shown."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from headcount.demo.servers import embedded_servers
from headcount.settings import Settings
from headcount.telemetry.logging import configure_logging
from headcount.wiring import Config, configure


def shown() -> Progress:
    """Return a progress display on stderr; stdout is for the figures."""
    columns = (
        TextColumn("{task.description:32}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=Console(stderr=True))


@asynccontextmanager
async def private_servers(progress: Progress) -> AsyncIterator[Config]:
    """Start a Kafka and a Valkey for the block, and yield default settings with their addresses."""
    configure_logging("warning", "console", libraries="critical")
    with TemporaryDirectory(prefix="headcount-benchmark-") as folder:
        home = configure(Settings(headcount_home=Path(folder)))
        async with embedded_servers(home, progress.console.print) as config:
            yield config


def side(config: Config, *, topic: str, database: int) -> Config:
    """Return settings with a topic and a Redis database of their own, that keep everything for ever."""
    server, _, _ = config.redis.url.rpartition("/")
    kept = kept_for_ever(with_topic(config, topic, group_id=topic))
    return replace(
        kept, redis=replace(config.redis, url=f"{server}/{database}"), http=replace(config.http, port=0)
    )


def with_topic(config: Config, topic: str, *, group_id: str | None = None) -> Config:
    """Return the configuration for another topic, and for another consumer group if one is given."""
    return replace(
        config, kafka=replace(config.kafka, topic=topic, group_id=group_id or config.kafka.group_id)
    )


def kept_for_ever(config: Config) -> Config:
    """Return the configuration without any retention."""
    return replace(config, counting=replace(config.counting, retention_days=0, bucket_retention_days=0))
