"""The choice of a port on the loopback interface that stays the same over restarts."""

import secrets
import socket
from collections.abc import Container
from pathlib import Path
from typing import Final

from ingest.errors import OperatorError

LOOPBACK: Final = "127.0.0.1"

# Below the ports that systems hand out for outgoing connections: while a server is down, a client that keeps
# trying to reach such a port can be given that very port, connect to itself, and hold it.
_CANDIDATES: Final = range(20000, 32768)
_ATTEMPTS: Final = 100


def settle_port(record: Path, wanted: int | None = None, *, besides: Container[int] = ()) -> int:
    """Choose the port: the one wanted, or the one recorded if it is free, or a free one, which is recorded.

    One to be chosen is none of those `besides` it, which are spoken for but not listened on yet. Raises
    `OperatorError` if the one wanted is taken.
    """
    if wanted is not None:
        if not _is_free(wanted):
            raise OperatorError(
                f"Port {wanted} on {LOOPBACK} is taken by another program. End that, or choose another port."
            )
        return wanted
    recorded = _read(record)
    if recorded is not None and recorded not in besides and _is_free(recorded):
        return recorded
    port = find_free_port(besides=besides)
    record.write_text(f"{port}\n")
    return port


def find_free_port(*, besides: Container[int] = ()) -> int:
    """Find a port that nobody listens on, at random, so that two who look at once find different ones."""
    for _ in range(_ATTEMPTS):
        port = secrets.choice(_CANDIDATES)
        if port not in besides and _is_free(port):
            return port
    raise OperatorError(
        f"No free port was found on {LOOPBACK} between {_CANDIDATES[0]} and {_CANDIDATES[-1]}."
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: connections that are merely winding down do not hold the port.
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
