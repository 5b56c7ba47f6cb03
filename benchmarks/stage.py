"""Where a benchmark plays: private servers in a folder that is gone afterwards, and what is shown."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import SecretStr
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from headcount.demo.servers import embedded_servers
from headcount.settings import Settings
from headcount.telemetry.logging import configure_logging


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
async def private_servers(progress: Progress) -> AsyncIterator[Settings]:
    """Start a Kafka and a Valkey for the block, and yield default settings with their addresses."""
    configure_logging("warning", "console", libraries="critical")
    with TemporaryDirectory(prefix="headcount-benchmark-") as folder:
        home = Settings(headcount_home=Path(folder))
        async with embedded_servers(home, progress.console.print) as settings:
            yield settings


def side(settings: Settings, *, topic: str, database: int) -> Settings:
    """Return settings with a topic and a Redis database of their own, that keep everything for ever."""
    server, _, _ = settings.redis_url.get_secret_value().rpartition("/")
    return settings.model_copy(
        update={
            "kafka_topic": topic,
            "kafka_group_id": topic,
            "redis_url": SecretStr(f"{server}/{database}"),
            "retention_days": 0,
            "bucket_retention_days": 0,
            "http_port": 0,
        }
    )
