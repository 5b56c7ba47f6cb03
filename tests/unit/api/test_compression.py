"""Who is sent gzip: whoever takes it, and does not like the plain body better."""

import pytest

from api.compression import takes_gzip


@pytest.mark.parametrize(
    "accepted",
    [
        "gzip",
        "GZIP",
        "x-gzip",
        "gzip, deflate, br",
        "br;q=1.0, gzip;q=0.8, *;q=0.1",
        "deflate,gzip;q=0.001",
        "*",
        "identity;q=0.5, gzip",
        "identity;q=0.5, *;q=0.5",
        " gzip ; q=1 ",
        "identity;q=0, gzip;q=0.1",
    ],
)
def test_gzip_is_taken(accepted: str) -> None:
    assert takes_gzip([accepted])


@pytest.mark.parametrize(
    "accepted",
    [
        "",
        "identity",
        "br, deflate",
        "gzip;q=0",
        "gzip;q=0.000",
        "gzip;q=0, *",
        "*;q=0",
        "identity, gzip;q=0.5",
        "*;q=0.5, identity;q=0.6",
        "gzipped",
        "gzip;q=2",
        "gzip;q=x",
        "gzip q=1",
    ],
)
def test_gzip_is_not_taken(accepted: str) -> None:
    assert not takes_gzip([accepted])


def test_a_header_that_was_not_sent_asks_for_nothing() -> None:
    assert not takes_gzip([])


def test_a_header_sent_twice_is_one_list() -> None:
    assert takes_gzip(["br", "gzip"])
    assert not takes_gzip(["gzip;q=0.5", "identity"])
