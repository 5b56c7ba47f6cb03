"""Validators of values that several settings share: hosts, ports, files and client certificates."""

import re
from ipaddress import IPv6Address
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel
from pydantic_core import PydanticCustomError

_is_name = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*").fullmatch
_LAST_PORT = 65_535


def check_host(host: str) -> None:
    """Raise `ValueError` unless this is a host name or an address; an IPv6 address comes without brackets."""
    if ":" in host:
        IPv6Address(host)
    # Encoded as by a resolver: for an empty or too long label it would raise instead of finding nothing.
    elif not _is_name(host.encode("idna").decode("ascii")):
        raise ValueError("not a host")


def check_port(port: str) -> None:
    """Raise `ValueError` unless this is a port that a client can connect to."""
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= _LAST_PORT):
        raise ValueError("not a port")


CLIENT_CERTIFICATE: Final = "an existing PEM file with the client certificate and its chain"
CLIENT_KEY: Final = "an existing PEM file with the private key of the client certificate"
TRUSTED_CAS: Final = "an existing PEM file with the trusted CA certificates"


def _check_file(path: Path) -> Path:
    try:
        is_file = path.is_file()
    except OSError as error:  # for example, a name that is too long
        raise ValueError("not a file") from error
    if not is_file:
        raise ValueError("not a file")
    return path


ExistingFile = Annotated[Path, AfterValidator(_check_file)]


def check_client_certificate(settings: BaseModel, server: str) -> None:
    """Raise a validation error if only one of client certificate and private key is set."""
    names = (f"{server}_ssl_certificate_location", f"{server}_ssl_key_location")
    given = [name.upper() for name in names if getattr(settings, name)]
    if len(given) == 1:
        raise PydanticCustomError(
            "half_a_certificate",
            "{given} is set without its counterpart: expected both {certificate} and {key}",
            {"given": given[0], "certificate": names[0].upper(), "key": names[1].upper()},
        )
