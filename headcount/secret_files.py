"""Secrets that come from files: of a setting X that is secret, X_FILE may name the file that holds it."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from ingest.errors import OperatorError


def read_secrets(environ: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Return the secrets whose files the environment names, without the line breaks at their ends.

    Raises `OperatorError` for a file that can't be read or holds nothing, and for a secret given twice.
    """
    return {
        name: _read(environ, name.upper(), location)
        for name in sorted(names)
        if (location := environ.get(f"{name.upper()}_FILE"))
    }


def _read(environ: Mapping[str, str], name: str, location: str) -> str:
    if environ.get(name):
        raise OperatorError(f"{name} and {name}_FILE are both set; wanted is one of them.")
    wanted = f"{name}_FILE is {location!r}; wanted is a file that holds the secret"
    try:
        secret = Path(location).read_text(encoding="utf-8").strip("\r\n")
    except (OSError, ValueError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it is no text"
        raise OperatorError(f"{wanted}: {cause}.") from None  # the other holds what could be read
    if not secret:
        raise OperatorError(f"{wanted}: it is empty.")
    return secret
