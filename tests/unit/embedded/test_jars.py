"""Kafka's jars: fetched once, whole, as locked; and the sentences when they can't be had."""

import asyncio
import gc
import hashlib
import threading
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from jgo.config import GlobalSettings

from embedded.jars import KAFKA_VERSION, Jar, JarStore, read_locked_jars
from embedded.ports import find_free_port
from ingest.errors import OperatorError


class Repository(ThreadingHTTPServer):
    """A Maven repository that counts what is asked of it, and cuts an answer short when told to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.files: dict[str, bytes] = {}
        self.asked: Counter[str] = Counter()
        self.cut_answers = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def publish(self, artifact: str, content: bytes) -> Jar:
        self.files[f"/org/example/{artifact}/1.0/{artifact}-1.0.jar"] = content
        return Jar("org.example", artifact, "1.0", hashlib.sha256(content).hexdigest())


class Answer(BaseHTTPRequestHandler):
    server: Repository

    def do_GET(self) -> None:
        content = self.server.files.get(self.path)
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        if content is not None:
            self.server.asked[self.path.rpartition("/")[2]] += 1
            self.wfile.write(self._cut(content))

    def _cut(self, content: bytes) -> bytes:
        if not self.server.cut_answers:
            return content
        self.server.cut_answers -= 1
        return content[: len(content) // 2]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        pass


@pytest.fixture
def repository() -> Iterator[Repository]:
    with Repository() as repository:
        thread = threading.Thread(target=repository.serve_forever, args=(0.01,))
        thread.start()
        yield repository
        repository.shutdown()
        thread.join()


@pytest.fixture
def answers_left_unread() -> Iterator[None]:
    """Collect them here: `jgo` leaves a refusal's socket to the collector, which may warn in a later test."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def announced() -> list[str]:
    return []


def store(folder: Path, url: str, jars: Sequence[Jar]) -> JarStore:
    return JarStore(folder / "jars", repositories={"central": url}, jars=jars)


async def test_jars_are_fetched_once(repository: Repository, tmp_path: Path, announced: list[str]) -> None:
    jars = [repository.publish("broker", b"b" * 100_000), repository.publish("codec", b"c")]
    for _ in range(2):
        paths = await store(tmp_path, repository.url, jars).fetch(announce=announced.append)
        assert [path.read_bytes() for path in paths] == [b"b" * 100_000, b"c"]
    assert repository.asked == {"broker-1.0.jar": 1, "codec-1.0.jar": 1}
    assert announced == [f"Downloading Apache Kafka {KAFKA_VERSION} (once per user): 2 files ..."]


async def test_only_what_is_missing_is_fetched(
    repository: Repository, tmp_path: Path, announced: list[str]
) -> None:
    jars = [repository.publish("broker", b"broker"), repository.publish("codec", b"codec")]
    paths = await store(tmp_path, repository.url, jars).fetch(announce=announced.append)
    paths[1].unlink()
    await store(tmp_path, repository.url, jars).fetch(announce=announced.append)
    assert repository.asked == {"broker-1.0.jar": 1, "codec-1.0.jar": 2}


async def test_two_that_fetch_at_once_share_one_download(
    repository: Repository, tmp_path: Path, announced: list[str]
) -> None:
    jars = [repository.publish(f"part-{number}", bytes([number])) for number in range(10)]
    stores = [store(tmp_path, repository.url, jars) for _ in range(2)]
    fetched = await asyncio.gather(*(each.fetch(announce=announced.append) for each in stores))
    assert fetched[0] == fetched[1]
    assert set(repository.asked.values()) == {1}
    assert announced[1] == "Waiting for another process that is downloading Kafka ..."


async def test_no_registry_within_reach_is_refused_with_what_to_do(
    tmp_path: Path, announced: list[str]
) -> None:
    nowhere = store(tmp_path, f"http://127.0.0.1:{find_free_port()}", read_locked_jars())
    with pytest.raises(OperatorError) as refusal:
        await nowhere.fetch(announce=announced.append)
    sentence = str(refusal.value)
    assert sentence.startswith("Kafka can't be downloaded: ")
    assert (
        "could not be downloaded (ConnectionError). Check that a Maven repository is reachable, " in sentence
    )


@pytest.mark.usefixtures("answers_left_unread")
async def test_a_jar_that_no_repository_has_is_refused_by_its_name(
    repository: Repository, tmp_path: Path, announced: list[str]
) -> None:
    unknown = Jar("org.example", "unknown", "1.0", "0" * 64)
    with pytest.raises(OperatorError, match=r"no repository has unknown-1\.0\.jar"):
        await store(tmp_path, repository.url, [unknown]).fetch(announce=announced.append)


async def test_a_jar_that_is_not_the_locked_one_is_refused_and_not_kept(
    repository: Repository, tmp_path: Path, announced: list[str]
) -> None:
    jars = [repository.publish("broker", b"genuine")]
    repository.publish("broker", b"forged")
    for _ in range(2):
        with pytest.raises(OperatorError, match=r"broker-1\.0\.jar does not have the hash that this version"):
            await store(tmp_path, repository.url, jars).fetch(announce=announced.append)


async def test_a_download_that_breaks_off_is_tried_again(
    repository: Repository, tmp_path: Path, announced: list[str]
) -> None:
    jars = [repository.publish("broker", b"b" * 1000)]
    repository.cut_answers = 2
    paths = await store(tmp_path, repository.url, jars).fetch(announce=announced.append)
    assert paths[0].read_bytes() == b"b" * 1000


async def test_a_fetch_that_failed_goes_on_where_it_was(
    repository: Repository, tmp_path: Path, announced: list[str]
) -> None:
    first = repository.publish("broker", b"broker")
    await store(tmp_path, repository.url, [first]).fetch(announce=announced.append)
    repository.cut_answers = 4
    jars = [first, repository.publish("codec", b"codec")]
    with pytest.raises(OperatorError):
        await store(tmp_path, repository.url, jars).fetch(announce=announced.append)
    paths = await store(tmp_path, repository.url, jars).fetch(announce=announced.append)
    assert [path.read_bytes() for path in paths] == [b"broker", b"codec"]
    assert repository.asked["broker-1.0.jar"] == 1


async def test_a_folder_that_cannot_be_made_is_refused(
    repository: Repository, tmp_path: Path, announced: list[str]
) -> None:
    (tmp_path / "jars").write_text("a file is in the way")
    jars = [repository.publish("broker", b"broker")]
    with pytest.raises(OperatorError, match="must be a folder that this user can write to"):
        await store(tmp_path, repository.url, jars).fetch(announce=announced.append)


async def test_a_home_that_can_not_be_written_to_is_refused_with_the_setting_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.write_text("not a folder")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(home))
    match = f"^{home}/.cache/headcount/.* must be a folder that this user can write to; set XDG_CACHE_HOME"
    with pytest.raises(OperatorError, match=match):
        await JarStore.of_user().fetch(announce=print)


@pytest.mark.parametrize(
    "error", [PermissionError(13, "Permission denied"), RuntimeError("Could not determine home directory.")]
)
def test_a_home_that_is_another_users_or_none_is_refused(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load() -> GlobalSettings:
        raise error

    monkeypatch.setattr(GlobalSettings, "load", load)
    with pytest.raises(OperatorError, match=r"^The home folder can't be used: .* Set HOME to a folder"):
        JarStore.of_user()


def test_the_lock_names_kafka_and_every_jar_once() -> None:
    jars = read_locked_jars()
    assert {jar.version for jar in jars if jar.artifact == "kafka_2.13"} == {KAFKA_VERSION}
    assert len({jar.filename for jar in jars}) == len(jars)
    assert all(len(bytes.fromhex(jar.sha256)) == 32 for jar in jars)
