"""Client addresses: parsing, trusted proxies, and the network that one client is limited by."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, NewType

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

Origin = NewType("Origin", tuple[int, int])
"""The IP version with an IPv4 address, or with the first 64 bits of an IPv6 address.

A subscriber has a whole IPv6 /64 network, so all of its addresses share one limit."""

_MAX_CHARACTERS: Final = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255")
_HOST_BITS: Final = 64


def parse_address(text: str) -> Address | None:
    """Parse an address without its interface (`%eth0`); None if it is malformed."""
    address_text = text.partition("%")[0]
    if len(address_text) > _MAX_CHARACTERS:
        return None
    try:
        address = ip_address(address_text)
    except ValueError:
        return None
    # A dual-stack socket reports an IPv4 peer as IPv4-mapped IPv6.
    return getattr(address, "ipv4_mapped", None) or address


def is_within(address: Address, networks: Iterable[Network]) -> bool:
    """Return whether any of the networks contains the address."""
    return any(address in network for network in networks)


def origin_of(address: Address) -> Origin:
    """Return what all addresses of one client have in common."""
    if isinstance(address, IPv6Address):
        return Origin((6, int(address) >> _HOST_BITS))
    return Origin((4, int(address)))


def peer_origin(peer: str, trusted_proxies: Iterable[Network]) -> Origin | None:
    """Return the origin of a connection's peer; None for a trusted proxy, which stands for many clients."""
    address = parse_address(peer)
    return None if address is None or is_within(address, trusted_proxies) else origin_of(address)
