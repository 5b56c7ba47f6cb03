"""The address a request came from: of the peer, or of the client that a trusted proxy says it speaks for."""

import re
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

Address = IPv4Address | IPv6Address
Networks = Sequence[IPv4Network | IPv6Network]

MAX_HOPS: Final = 16
_MAX_CHARACTERS: Final = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255")
_SUBSCRIBER_PREFIX: Final = 64
# As Azure (1.2.3.4:5678) and IIS ([::1]:443) write them; an IPv6 address without brackets has no port.
_WITH_PORT: Final = re.compile(r"([0-9.]{7,15}):[0-9]{1,5}|\[([0-9A-Fa-f:.]{2,45})\](?::[0-9]{1,5})?")


def client_address(peer: str | None, forwarded_for: Sequence[str], trusted: Networks) -> Address | None:
    """Find the right-most address that is no trusted proxy's; None for a peer without one (a local socket).

    `forwarded_for` are the values of X-Forwarded-For, as often as it was sent. What is left of the address
    found was not written by a proxy of ours: it is not even read. A hop may have a port and brackets. Where a
    proxy wrote what is no address, and where the last `MAX_HOPS` are all trusted, the request is the peer's.
    """
    address = _read(peer or "")
    if address is None or not _is_trusted(address, trusted):
        return address
    return _first_untrusted(_hops(forwarded_for), trusted) or address


def address_block(address: Address | None) -> str:
    """Name what one subscriber is likely to have: an IPv4 address, or the /64 of an IPv6 address."""
    if isinstance(address, IPv6Address):
        return str(IPv6Network((int(address), _SUBSCRIBER_PREFIX), strict=False))
    return str(address)


def _first_untrusted(hops: Iterator[str], trusted: Networks) -> Address | None:
    """Go from the right; None where a hop is no address, or where there is none but trusted ones."""
    for hop in hops:
        address = _read(_without_port(hop))
        if address is None or not _is_trusted(address, trusted):
            return address
    return None


def _hops(forwarded_for: Sequence[str]) -> Iterator[str]:
    """Yield from the right. A header sent several times is one list, as HTTP has it."""
    hops = ",".join(forwarded_for).rsplit(",", MAX_HOPS)[-MAX_HOPS:]
    return (hop.strip(" \t") for hop in reversed(hops))


def _without_port(hop: str) -> str:
    found = _WITH_PORT.fullmatch(hop)
    return hop if found is None else found[1] or found[2]


def _read(text: str) -> Address | None:
    without_interface = text.partition("%")[0]
    if len(without_interface) > _MAX_CHARACTERS:
        return None
    try:
        address = ip_address(without_interface)
    except ValueError:
        return None
    # A socket that takes both kinds names an IPv4 peer so.
    return getattr(address, "ipv4_mapped", None) or address


def _is_trusted(address: Address, trusted: Networks) -> bool:
    return any(address in network for network in trusted)
