"""Hosts and ports as settings name them: only what a client can look up."""

import re
from ipaddress import IPv6Address

_is_name = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*").fullmatch
_LAST_PORT = 65_535


def check_host(host: str) -> None:
    """Raise `ValueError` for what is neither a name nor an address; an IPv6 address has no brackets here."""
    if ":" in host:
        IPv6Address(host)
    # As a resolver spells it: a label that is empty or too long is an error there, and no answer.
    elif not _is_name(host.encode("idna").decode("ascii")):
        raise ValueError("not a host")


def check_port(port: str) -> None:
    """Raise `ValueError` for what is no port to connect to."""
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= _LAST_PORT):
        raise ValueError("not a port")
