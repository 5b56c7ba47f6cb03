"""The parts of the server that need no socket: framing, addresses, limits, preflight checks."""

import resource
from dataclasses import replace
from itertools import pairwise

import pytest
from aiohttp import http_parser
from hypothesis import given
from hypothesis import strategies as st

from headcount.settings import Settings
from headcount.wiring import configure, load_config
from httpd.acceptor import ConnectionLimits
from httpd.addresses import peer_origin
from httpd.error_responses import bytes_of
from httpd.request_framing import RequestFraming
from httpd.server import require_c_parser, require_open_files
from httpd.stats import Cause, ConnectionStats
from ingest.errors import OperatorError

LIMITS = configure(Settings()).http.limits
HEAD = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"


def pieces_of(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges) if start < end]


@given(
    st.lists(st.sampled_from([HEAD, b"GET / HTTP/1.0\r\n\r\n", b"\r\n" + HEAD]), max_size=5),
    st.sampled_from([b"", b"G", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nX: y\r\n\r"]),
    st.lists(st.integers(min_value=0)),
)
def test_heads_are_counted_however_they_are_cut(whole: list[bytes], begun: bytes, cuts: list[int]) -> None:
    heads = RequestFraming()
    counted = sum(heads.feed(piece) for piece in pieces_of(b"".join(whole) + begun, cuts))
    assert (counted, heads.open_bytes > 0) == (len(whole), bool(begun))


@given(st.integers(min_value=0, max_value=300), st.lists(st.integers(min_value=0)))
def test_the_size_of_a_head_is_known_however_it_is_cut(size: int, cuts: list[int]) -> None:
    heads = RequestFraming()
    longest = 0
    for piece in pieces_of(HEAD + b"x" * size + b"\r\n\r\n", cuts):
        heads.feed(piece)
        longest = max(longest, heads.longest, heads.open_bytes)
    assert (
        max(size, len(HEAD) - 4) <= longest <= max(size, len(HEAD) - 4) + 3
    )  # some of the end, if it is cut


@given(st.integers(min_value=1, max_value=9))
def test_empty_lines_are_not_a_head(lines: int) -> None:
    assert RequestFraming().feed(b"\r\n" * lines) == 0


LINES = {
    b"GET / HTTP/1.1": None,
    b"GET /?a=b HTTP/1.0": None,
    b"GET / HTTP/2.0": Cause.VERSION,
    b"GET / HTTP/1.2": Cause.VERSION,
    b"GET / RTSP/1.0": Cause.BAD_HEAD,
    b"GET /": Cause.BAD_HEAD,
    b"GET  / HTTP/1.1": Cause.BAD_HEAD,
    b"\xff\xfe": Cause.BAD_HEAD,
}


@given(
    st.lists(st.sampled_from(sorted(LINES)), max_size=6),
    st.sampled_from([b"", b"\r\n"]),
    st.lists(st.integers(min_value=0)),
)
def test_every_request_line_is_checked_however_the_heads_are_cut(
    lines: list[bytes], blanks: bytes, cuts: list[int]
) -> None:
    framing = RequestFraming()
    data = b"".join(blanks + line + b"\r\nHost: x\r\n\r\n" for line in lines)
    counted = sum(framing.feed(piece) for piece in pieces_of(data, cuts))
    assert [framing.next_cause() for _ in range(counted)] == [LINES[line] for line in lines]


@given(st.sampled_from(sorted(LINES)), st.lists(st.integers(min_value=0)))
def test_the_request_line_of_an_incomplete_head_is_checked_as_received(line: bytes, cuts: list[int]) -> None:
    framing = RequestFraming()
    for piece in pieces_of(HEAD + line + b"\r\nX", cuts):
        framing.feed(piece)
    assert [framing.next_cause(), framing.next_cause()] == [None, LINES[line]]


@given(st.integers(min_value=1, max_value=4), st.lists(st.integers(min_value=0)))
def test_the_ends_of_heads_are_known_however_they_are_cut(heads: int, cuts: list[int]) -> None:
    framing = RequestFraming()
    cut: list[bytes] = [b""]
    for piece in pieces_of(HEAD * heads + b"GET", cuts):
        framing.feed(piece)
        start = 0
        for end in framing.ends:
            cut[-1] += piece[start:end]
            cut.append(b"")
            start = end
        cut[-1] += piece[start:]
        if piece == HEAD:
            assert not framing.ends
            cut.append(b"")
    assert cut == [HEAD] * heads + [b"GET"]


def test_an_ipv6_network_of_64_bits_is_one_origin() -> None:
    assert peer_origin("2001:db8::1", ()) == peer_origin("2001:db8::ffff:2", ())
    assert peer_origin("2001:db8::1", ()) != peer_origin("2001:db8:0:1::1", ())
    assert peer_origin("fe80::1%eth0", ()) == peer_origin("fe80::2", ())


def test_an_ipv4_address_is_one_origin_in_either_form() -> None:
    assert peer_origin("192.0.2.1", ()) == peer_origin("::ffff:192.0.2.1", ())
    assert peer_origin("192.0.2.1", ()) != peer_origin("192.0.2.2", ())


@pytest.mark.parametrize("peer", ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8::1"])
def test_a_trusted_proxy_has_no_origin(peer: str) -> None:
    trusted = load_config({"TRUSTED_PROXIES": "10.0.0.0/8,2001:db8::/32"}).http.trusted_proxies
    assert peer_origin(peer, trusted) is None
    assert peer_origin("192.0.2.1", trusted) is not None


def test_the_limit_of_an_address_is_reported_before_that_of_the_server() -> None:
    stats = ConnectionStats()
    limits = ConnectionLimits(replace(LIMITS, connections=2, connections_per_address=1), stats)
    first, second, third = (peer_origin(f"192.0.2.{number}", ()) for number in (1, 2, 3))
    limits.add(first)
    assert (limits.refusal(first), limits.refusal(second)) == (Cause.TOO_MANY_FROM_ADDRESS, None)
    limits.add(second)
    assert (limits.refusal(first), limits.refusal(third)) == (Cause.TOO_MANY_FROM_ADDRESS, Cause.TOO_MANY)
    limits.remove(first)
    assert (limits.refusal(first), stats.open) == (None, 1)


def test_an_address_is_forgotten_with_its_last_connection() -> None:
    limits = ConnectionLimits(LIMITS, ConnectionStats())
    for number in range(100):
        origin = peer_origin(f"192.0.2.{number}", ())
        limits.add(origin)
        limits.remove(origin)
    assert not limits._by_origin


@pytest.mark.parametrize("cause", sorted(set(Cause) - {Cause.IDLE, Cause.SLOW_READER}))
def test_every_error_response_is_json_and_ends_the_connection(cause: Cause) -> None:
    head, _, body = bytes_of(cause).partition(b"\r\n\r\n")
    assert b"\r\nConnection: close" in head
    assert b"\r\nContent-Type: application/json\r\n" in head
    assert f"\r\nContent-Length: {len(body)}\r\n".encode() in head
    assert body.startswith(b'{"success":false,"error":"')


def test_the_c_parser_is_installed() -> None:
    require_c_parser()


def test_a_start_without_the_c_parser_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_parser, "HttpRequestParser", http_parser.HttpRequestParserPy)
    with pytest.raises(OperatorError, match="Unset AIOHTTP_NO_EXTENSIONS"):
        require_c_parser()


def test_too_few_open_files_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 1_024))
    with pytest.raises(OperatorError, match=r"HTTP_MAX_CONNECTIONS is 1000, but .* only 1024 files open"):
        require_open_files(1_000)


def test_the_limit_of_open_files_is_raised_as_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 4_096))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: wanted.append(limits))
    require_open_files(1_000)
    assert wanted == [(1_200, 4_096)]
