"""Whose connection it is: the address that counts for a peer."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import NewType

Network = IPv4Network | IPv6Network

Origin = NewType("Origin", tuple[int, int])
"""An IPv4 address, or the first 64 bits of an IPv6 address: one client has all the rest to itself."""

_HOST_BITS = 64


def origin_of(peer: str, trusted_proxies: Sequence[Network]) -> Origin | None:
    """Name where a peer's connections come from; None for a trusted proxy, which stands for many clients."""
    address = _address(peer)
    if any(address in network for network in trusted_proxies):
        return None
    if isinstance(address, IPv6Address):
        return Origin((6, int(address) >> _HOST_BITS))
    return Origin((4, int(address)))


def _address(peer: str) -> IPv4Address | IPv6Address:
    address = ip_address(peer)
    # A socket that listens for both names an IPv4 peer in this form.
    return getattr(address, "ipv4_mapped", None) or address
