"""Which servers the tests themselves run on."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support import containers, servers


class Engine(BaseHTTPRequestHandler):
    """A Docker engine that has no image and reaches no registry."""

    def do_GET(self) -> None:
        if self.path.endswith("/version"):
            self._answer(200, {"ApiVersion": "1.44", "MinAPIVersion": "1.24"})
        else:
            self._answer(404, {"message": "No such image"})

    def do_POST(self) -> None:
        self._answer(500, {"message": "dial tcp: lookup registry: no such host"})

    def _answer(self, status: int, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        pass


@pytest.fixture
def engine_without_images(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Engine) as engine:
        thread = threading.Thread(target=engine.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{engine.server_port}")
        yield
        engine.shutdown()
        thread.join()


@pytest.mark.usefixtures("engine_without_images")
def test_an_engine_that_cannot_get_an_image_is_passed_over() -> None:
    assert not containers.can_run(containers.KAFKA_IMAGE)


def test_an_engine_that_does_not_answer_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    assert not containers.can_run(containers.REDIS_IMAGE)


def test_the_environments_servers_come_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    monkeypatch.setenv("HEADCOUNT_TEST_KAFKA", "kafka.example:9092")
    monkeypatch.setenv("HEADCOUNT_TEST_REDIS_URL", "redis://redis.example")
    with servers.kafka_bootstrap_servers(tmp_path) as address, servers.redis_url(tmp_path) as url:
        assert (address, url) == ("kafka.example:9092", "redis://redis.example/15")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://host:6379", "redis://host:6379/15"),
        ("redis://host:6379/", "redis://host:6379/15"),
        ("redis://host:6379/2", "redis://host:6379/2"),
        ("rediss://:secret@host", "rediss://:secret@host/15"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock?db=15"),
        ("unix:///run/redis.sock?db=2", "unix:///run/redis.sock?db=2"),
    ],
)
def test_a_redis_of_the_environment_is_emptied_in_one_database_only(
    monkeypatch: pytest.MonkeyPatch, url: str, expected: str
) -> None:
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    assert servers.with_database(url) == expected


def test_processes_at_once_do_not_empty_one_anothers_database(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw2")
    assert servers.with_database("redis://host:6379") == "redis://host:6379/13"
