"""The client's address: its properties, with proxies and with clients that forge headers."""

from ipaddress import IPv4Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.auth.client_address import MAX_HOPS, client_address
from httpd.addresses import Address, origin_of

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))

proxies = st.one_of(st.ip_addresses(network="10.0.0.0/8"), st.ip_addresses(network="fd00::/8"))
clients = st.ip_addresses().filter(
    lambda address: (
        not any(address in network for network in TRUSTED) and not getattr(address, "ipv4_mapped", None)
    )
)
lies = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=80)
blanks = st.sampled_from(["", " ", "\t", "  "])


def split(values: list[str], at: list[bool]) -> list[str]:
    """Split a list into several headers at some of its commas."""
    headers = [[values[0]]]
    for value, begins in zip(values[1:], at, strict=False):
        if begins:
            headers.append([])
        headers[-1].append(value)
    return [",".join(header) for header in headers]


@given(clients, st.lists(lies))
def test_an_untrusted_peer_is_the_client_whatever_it_sends(peer: Address, forwarded_for: list[str]) -> None:
    assert client_address(str(peer), forwarded_for, TRUSTED) == peer
    assert client_address(str(peer), forwarded_for, ()) == peer


@given(
    lies=st.lists(lies, max_size=4),
    client=clients,
    hops=st.lists(proxies, max_size=MAX_HOPS - 1),
    peer=proxies,
    blank=blanks,
    at=st.lists(st.booleans(), min_size=MAX_HOPS + 4, max_size=MAX_HOPS + 4),
)
def test_the_client_is_the_right_most_that_is_not_trusted(
    *, lies: list[str], client: Address, hops: list[Address], peer: Address, blank: str, at: list[bool]
) -> None:
    """For a forged list of any length, in any number of headers."""
    written = [*lies, *(f"{blank}{hop}{blank}" for hop in (client, *hops))]
    assert client_address(str(peer), split(written, at), TRUSTED) == client


@given(hops=st.lists(proxies, max_size=MAX_HOPS - 1), peer=proxies, client=clients)
def test_at_a_malformed_hop_the_client_is_the_peer(
    hops: list[Address], peer: Address, client: Address
) -> None:
    written = ", ".join(map(str, [client, "unknown", *hops]))
    assert client_address(str(peer), [written], TRUSTED) == peer


@given(st.lists(proxies, max_size=40), proxies)
def test_if_all_hops_are_trusted_the_client_is_the_peer(hops: list[Address], peer: Address) -> None:
    assert client_address(str(peer), [",".join(map(str, hops))], TRUSTED) == peer


@given(clients, proxies)
def test_at_most_max_hops_are_followed(client: Address, peer: Address) -> None:
    near, far = (",".join([str(client)] + ["10.0.0.1"] * hops) for hops in (MAX_HOPS - 1, MAX_HOPS))
    assert client_address(str(peer), [near], TRUSTED) == client
    assert client_address(str(peer), [far], TRUSTED) == peer


@given(st.lists(lies, max_size=6), st.one_of(st.none(), lies))
def test_no_header_value_raises(forwarded_for: list[str], peer: str | None) -> None:
    for address in (peer, "10.0.0.1"):
        found = client_address(address, forwarded_for, TRUSTED)
        assert found is None or origin_of(found)


@pytest.mark.parametrize(
    "written",
    [
        "203.0.113.07",
        "203.0.113.7:",
        "203.0.113.7:http",
        "203.0.113.7:123456",
        "203.0.113.7:80:80",
        "203.0.113:80",
        ":80",
        "[203.0.113.7:80",
        "[2001:db8::1",
        "2001:db8::1]:443",
        "[2001:db8::1]443",
        "[2001:db8::1]:",
        "[client.example]:443",
        "[]",
        "٢٠٣.0.113.7:80",
        "203.0.113.7:٨٠",
        "203.0.113",
        "client.example",
        "203.0.113.7;",
        "",
        "٢.٢.٢.٢",
        "1" * 8000,
    ],
)
def test_malformed_addresses_are_not_accepted(written: str) -> None:
    assert client_address("10.0.0.1", [written], TRUSTED) == IPv4Address("10.0.0.1")


@given(client=clients, port=st.integers(0, 65_535), hops=st.lists(proxies, max_size=3), peer=proxies)
def test_an_address_is_found_with_a_port_and_in_brackets(
    client: Address, port: int, hops: list[Address], peer: Address
) -> None:
    """In the forms of Azure's Application Gateway and IIS."""
    written = [f"[{client}]:{port}", f"[{client}]"]
    if client.version == 4:
        written.append(f"{client}:{port}")
    for form in written:
        assert client_address(str(peer), [",".join([form, *map(str, hops)])], TRUSTED) == client


@pytest.mark.parametrize("proxy", ["10.0.0.2:443", "[fd00::2]:443", "[fd00::2]", "[::ffff:10.0.0.2]:1"])
def test_a_trusted_proxy_is_recognised_with_a_port_and_in_brackets(proxy: str) -> None:
    assert client_address("10.0.0.1", [f"203.0.113.7, {proxy}"], TRUSTED) == IPv4Address("203.0.113.7")


def test_an_ipv4_mapped_address_is_its_ipv4_address() -> None:
    assert client_address("::ffff:10.0.0.1", ["::ffff:203.0.113.7"], TRUSTED) == IPv4Address("203.0.113.7")


def test_an_interface_is_not_part_of_an_address() -> None:
    assert client_address("fe80::1%eth0", [], TRUSTED) == ip_address("fe80::1")


def test_a_local_socket_has_no_address() -> None:
    assert client_address(None, ["203.0.113.7"], TRUSTED) is None
    assert client_address("", ["203.0.113.7"], TRUSTED) is None


@given(st.ip_addresses(v=6), st.integers(0, 2**64 - 1))
def test_all_addresses_of_an_ipv6_64_have_one_origin(address: Address, low: int) -> None:
    neighbour = ip_address((int(address) >> 64 << 64) | low)
    assert neighbour.version == 4 or origin_of(neighbour) == origin_of(address)


@given(st.ip_addresses(v=4), st.ip_addresses(v=4))
def test_every_ipv4_address_has_its_own_origin(one: Address, other: Address) -> None:
    assert (origin_of(one) == origin_of(other)) == (one == other)
