"""The client's address: the peer's, or the one that a trusted proxy reports in X-Forwarded-For."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from httpd.addresses import Address, Network, is_within, parse_address

MAX_HOPS: Final = 16
# Azure writes 1.2.3.4:5678 and IIS [::1]:443; an IPv6 address without brackets has no port.
_WITH_PORT: Final = re.compile(r"([0-9.]{7,15}):[0-9]{1,5}|\[([0-9A-Fa-f:.]{2,45})\](?::[0-9]{1,5})?")


def client_address(
    peer: str | None, forwarded_for: Sequence[str], trusted: Sequence[Network]
) -> Address | None:
    """Return the right-most address that is not a trusted proxy; None for a peer without one (a Unix socket).

    `forwarded_for` holds the values of all X-Forwarded-For headers. Anything to the left of the returned
    address was not written by a trusted proxy and is not parsed. A hop may have a port and brackets. If a
    trusted proxy wrote a malformed address, or the last `MAX_HOPS` are all trusted, the peer's is returned.
    """
    address = parse_address(peer or "")
    if address is None or not is_within(address, trusted):
        return address
    return _first_untrusted(_hops(forwarded_for), trusted) or address


def _first_untrusted(hops: Iterator[str], trusted: Sequence[Network]) -> Address | None:
    """Return the first untrusted address; None at a malformed hop, or if all hops are trusted."""
    for hop in hops:
        with_port = _WITH_PORT.fullmatch(hop)
        address = parse_address(hop if with_port is None else with_port[1] or with_port[2])
        if address is None or not is_within(address, trusted):
            return address
    return None


def _hops(forwarded_for: Sequence[str]) -> Iterator[str]:
    """Yield the hops from right to left. A repeated header is one list (RFC 9110, section 5.3)."""
    hops = ",".join(forwarded_for).rsplit(",", MAX_HOPS)[-MAX_HOPS:]
    return (hop.strip(" \t") for hop in reversed(hops))
