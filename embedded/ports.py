"""Chooses ports on the loopback interface that stay the same across restarts."""

import secrets
import socket
from collections.abc import Container
from pathlib import Path
from typing import Final

from ingest.errors import OperatorError

LOOPBACK: Final = "127.0.0.1"

# Below the ephemeral ports of outgoing connections: while a server is down, a client that reconnects to an
# ephemeral port can be assigned this very port, connect to itself and occupy it.
_CANDIDATES: Final = range(20000, 32768)
_ATTEMPTS: Final = 100


def choose_port(record: Path, wanted: int | None = None, *, reserved: Container[int] = ()) -> int:
    """Return the wanted port, or the recorded one if it is free, or a free one, which is then recorded.

    Ports in `reserved` are not chosen; they are assigned, but no process listens on them yet. Raises
    `OperatorError` if the wanted port is taken.
    """
    if wanted is not None:
        if not _is_free(wanted):
            raise OperatorError(
                f"Port {wanted} on {LOOPBACK} is taken by another program. End it or choose another port."
            )
        return wanted
    recorded = _read(record)
    if recorded is not None and recorded not in reserved and _is_free(recorded):
        return recorded
    port = find_free_port(reserved=reserved)
    record.write_text(f"{port}\n")
    return port


def find_free_port(*, reserved: Container[int] = ()) -> int:
    """Return a random free port, so that concurrent calls return different ones."""
    for _ in range(_ATTEMPTS):
        port = secrets.choice(_CANDIDATES)
        if port not in reserved and _is_free(port):
            return port
    raise OperatorError(f"No free port found on {LOOPBACK} between {_CANDIDATES[0]} and {_CANDIDATES[-1]}.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: connections in TIME_WAIT do not occupy the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _read(record: Path) -> int | None:
    try:
        return int(record.read_text())
    except (FileNotFoundError, ValueError):
        return None
