"""The jars of Kafka: a locked list with hashes, and the folder into which they are downloaded once."""

import asyncio
import hashlib
import os
import shutil
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final, Self

import requests
from jgo.config import GlobalSettings, get_settings_path
from jgo.constants import MAVEN_CENTRAL_URL
from jgo.maven import MavenContext
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from embedded.locks import try_lock
from embedded.refusals import system_errors_named
from embedded.waiting import becomes_true
from ingest.errors import OperatorError

KAFKA_VERSION: Final = "4.3.1"
LOCK_FILE: Final = "kafka-jars.lock"

_DOWNLOADS_AT_ONCE: Final = 4
_ATTEMPTS: Final = 4
_SECONDS_FOR_OTHER_PROCESS: Final = 600.0


@dataclass(frozen=True, slots=True)
class Jar:
    """One file of a Maven repository."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def filename(self) -> str:
        """The file name in a repository."""
        return f"{self.artifact}-{self.version}.jar"


class _DownloadError(Exception):
    """A jar could not be downloaded, or its hash is wrong."""


def read_locked_jars() -> Sequence[Jar]:
    """Read the list of jars with their hashes, which `lock_jars` writes."""
    lines = (files(__package__) / LOCK_FILE).read_text().splitlines()
    return [_parse(line) for line in lines if not line.startswith("#")]


def _parse(line: str) -> Jar:
    sha256, coordinates = line.split()
    group, artifact, version = coordinates.split(":")
    return Jar(group, artifact, version, sha256)


class JarStore:
    """A folder of complete jars that several processes may fill and use at once.

    A jar in the folder was complete and had the right hash when it was stored. The caches of `jgo` keep
    interrupted downloads, so `jgo` only downloads, into folders that are deleted afterwards.
    """

    def __init__(self, folder: Path, *, repositories: Mapping[str, str], jars: Sequence[Jar]) -> None:
        self._folder = folder
        self._repositories = repositories
        self._jars = jars

    @classmethod
    def of_user(cls) -> Self:
        """Return a store in the user's cache folder that uses the mirrors configured for `jgo`."""
        try:
            cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
            repositories = {**GlobalSettings.load().repositories, "central": MAVEN_CENTRAL_URL}
        except (RuntimeError, PermissionError) as error:  # no home folder, or the folder of another user
            raise OperatorError(
                f"The home folder can't be used: {error}. Set HOME to a folder of this user."
            ) from error
        folder = cache / "headcount" / f"kafka-{KAFKA_VERSION}"
        return cls(folder, repositories=repositories, jars=read_locked_jars())

    async def fetch(self, *, announce: Callable[[str], None]) -> Sequence[Path]:
        """Return the paths of the jars and download missing ones; `announce` is called before a download.

        Raises `OperatorError` if a download fails.
        """
        with system_errors_named(self._folder, setting="XDG_CACHE_HOME"):
            if self._missing():
                self._folder.mkdir(parents=True, exist_ok=True)
                async with self._exclusive(announce):
                    await self._download(self._missing(), announce)
        return [self._folder / jar.filename for jar in self._jars]

    def _missing(self) -> Sequence[Jar]:
        return [jar for jar in self._jars if not (self._folder / jar.filename).exists()]

    @asynccontextmanager
    async def _exclusive(self, announce: Callable[[str], None]) -> AsyncIterator[None]:
        with (self._folder / "lock").open("a") as lock:
            if not try_lock(lock.fileno()):
                announce("Waiting for another process that is downloading Kafka ...")
                if not await becomes_true(lambda: try_lock(lock.fileno()), _SECONDS_FOR_OTHER_PROCESS):
                    raise OperatorError(
                        f"Another process has locked {self._folder} for too long. End it and start again."
                    )
            yield

    async def _download(self, jars: Sequence[Jar], announce: Callable[[str], None]) -> None:
        if not jars:
            return
        announce(f"Downloading Apache Kafka {KAFKA_VERSION} (once per user): {len(jars)} files ...")
        slots = asyncio.Semaphore(_DOWNLOADS_AT_ONCE)
        downloads = [asyncio.create_task(self._download_one(jar, slots)) for jar in jars]
        try:
            await asyncio.gather(*downloads)
        except _DownloadError as error:
            raise OperatorError(
                f"Kafka can't be downloaded: {error}. Check that a Maven repository is reachable, "
                f"or configure a mirror under [repositories] in {get_settings_path()}."
            ) from error
        finally:
            for download in downloads:
                download.cancel()

    async def _download_one(self, jar: Jar, slots: asyncio.Semaphore) -> None:
        async with slots:
            await asyncio.to_thread(self._fetch_into_place, jar)

    @retry(
        retry=retry_if_exception_type(_DownloadError),
        stop=stop_after_attempt(_ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.5, max=10),
        reraise=True,
    )
    def _fetch_into_place(self, jar: Jar) -> None:
        unfinished = self._folder / "unfinished" / jar.filename
        # Leftovers of an interrupted attempt would be taken for complete.
        shutil.rmtree(unfinished, ignore_errors=True)
        fetched = self._fetch_from_repository(jar, unfinished)
        with fetched.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != jar.sha256:
                raise _DownloadError(
                    f"{jar.filename} does not have the hash that this version of Headcount expects"
                )
        fetched.replace(self._folder / jar.filename)
        shutil.rmtree(unfinished)

    def _fetch_from_repository(self, jar: Jar, into: Path) -> Path:
        maven = MavenContext(repo_cache=into, remote_repos=dict(self._repositories))
        artifact = maven.project(jar.group, jar.artifact).at_version(jar.version).artifact()
        try:
            path: Path = artifact.resolve()
        except requests.RequestException as error:
            raise _DownloadError(
                f"{jar.filename} could not be downloaded ({type(error).__name__})"
            ) from error
        except RuntimeError as error:  # what jgo raises for a missing file
            raise _DownloadError(f"no repository has {jar.filename}") from error
        return path
