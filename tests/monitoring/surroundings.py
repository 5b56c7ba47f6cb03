"""A Headcount that runs with sample events, and a Prometheus that watches it."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from aiohttp import ClientSession
from aiokafka import AIOKafkaProducer
from ruamel.yaml import YAML

from api.endpoints.weekly_data.contract import WEEKLY_DATA_PATH
from embedded.ports import LOOPBACK, find_free_port
from headcount.wiring import Config
from tests.e2e.programs import ROOT, Program, plain_environ, started
from tests.support.deployment import event

MONITORING: Final = ROOT / "monitoring"
START_SECONDS: Final = 60.0
START: Final = "2026-01-01T23:59:59.999Z"


@dataclass(frozen=True, slots=True)
class Watched:
    """The addresses of a running worker and API."""

    worker_metrics: str
    api_metrics: str
    api: str


@contextmanager
def running_headcount(environ: dict[str, str], folder: Path) -> Iterator[Watched]:
    """Run `headcount worker` and `headcount api` as an operator does."""
    with (
        _command("worker", environ, folder) as worker,
        _command("api", environ, folder) as api,
    ):
        yield Watched(
            worker_metrics=_told(worker, "serving metrics"),
            api_metrics=_told(api, "serving metrics"),
            api=_told(api, "listening"),
        )


@contextmanager
def _command(name: str, environ: dict[str, str], folder: Path) -> Iterator[Program]:
    command = [sys.executable, "-m", "headcount", name]
    config = plain_environ(**environ, LOG_FORMAT="json")
    with started(command, environ=config, folder=ROOT, output=folder / f"{name}.out") as program:
        yield program


def _told(program: Program, event: str) -> str:
    def url() -> str | None:
        lines = map(json.loads, program.read().splitlines())
        return next((line["url"] for line in lines if line["event"] == event), None)

    found: str = program.wait_for(url, deadline_seconds=START_SECONDS)
    return found


async def keep_active(config: Config, watched: Watched, headers: dict[str, str]) -> None:
    """Publish events of each result and what is none, and ask, also without a login; until cancelled."""
    async with (
        AIOKafkaProducer(bootstrap_servers=config.kafka.bootstrap_servers) as producer,
        ClientSession(watched.api) as session,
    ):
        while True:
            for value in sample():
                await producer.send_and_wait(config.kafka.topic, value)
            for sent in (headers, {}):
                async with session.get(WEEKLY_DATA_PATH, params={"start": START}, headers=sent) as response:
                    await response.read()
            await asyncio.sleep(0.2)


def sample() -> list[bytes]:
    """Return values of each kind: counted, anonymous, expired, and no event."""
    nobody = json.dumps({**json.loads(event("nobody")), "user_id": None}).encode()
    ancient = event("alice", datetime.now(UTC) - timedelta(days=1_000))
    return [event("alice"), event("bob"), nobody, ancient, b"no event"]


class Prometheus:
    """Prometheus' HTTP API."""

    def __init__(self, url: str, session: ClientSession) -> None:
        self._url = url
        self._session = session

    async def ask(self, path: str, **params: str) -> Any:  # noqa: ANN401 - any JSON
        """Return an answer's data."""
        async with self._session.get(f"{self._url}/api/v1/{path}", params=params) as response:
            answer = await response.json()
        assert answer["status"] == "success", answer
        return answer["data"]

    async def query(self, expression: str) -> list[Any]:
        """Return the samples that an expression has now; not a number is none."""
        samples = (await self.ask("query", query=expression))["result"]
        return [sample for sample in samples if sample["value"][1] != "NaN"]

    async def is_ready(self) -> bool:
        try:
            async with self._session.get(f"{self._url}/-/ready") as response:
                return response.status == 200
        except OSError:
            return False


@asynccontextmanager
async def running_prometheus(watched: Watched, folder: Path) -> AsyncIterator[Prometheus]:
    """Run Prometheus on our configuration, but for the targets and the time between two scrapes."""
    port = find_free_port()
    config = folder / "prometheus.yaml"
    _write_config(config, watched)
    command = [
        "prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address={LOOPBACK}:{port}",
    ]  # fmt: skip
    with started(command, environ=plain_environ(), folder=folder, output=folder / "prometheus.out"):
        async with ClientSession() as session:
            yield Prometheus(f"http://{LOOPBACK}:{port}", session)


def _write_config(path: Path, watched: Watched) -> None:
    yaml = YAML(typ="safe")
    config = yaml.load((MONITORING / "prometheus.yaml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(MONITORING / "rules/headcount.yaml")]
    targets = {"headcount-worker": watched.worker_metrics, "headcount-api": watched.api_metrics}
    for job in config["scrape_configs"]:
        del job["dns_sd_configs"]
        url = targets[job["job_name"]].removesuffix("/metrics")
        job["static_configs"] = [{"targets": [url.removeprefix("http://")]}]
    with path.open("w") as file:
        yaml.dump(config, file)
