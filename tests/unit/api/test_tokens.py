"""Minted tokens, their secrets and digests."""

from datetime import UTC, datetime, timedelta

import pytest

from api.auth.tokens import digest_of, mint
from tests.support.fakes_api import make_token

CREATED = datetime(2023, 1, 1, tzinfo=UTC)


def test_a_secret_has_256_random_bits_and_is_not_in_the_token() -> None:
    token, secret = make_token()
    assert len(secret) == 43  # 32 bytes in base64 without padding
    assert secret not in repr(token)
    assert token.digest == digest_of(secret)
    assert len({make_token()[1] for _ in range(100)}) == 100


def test_a_digest_is_sha_256_in_hex() -> None:
    assert digest_of("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_header_bytes_that_are_no_utf_8_have_a_digest() -> None:
    assert digest_of(b"\xff\xfe".decode("utf-8", "surrogateescape")) != digest_of("")


def test_the_public_id_is_the_beginning_of_the_digest() -> None:
    token, _ = make_token()
    assert len(token.id) == 12
    assert token.digest.startswith(token.id)


def test_a_token_grants_what_it_was_minted_for() -> None:
    token, _ = mint(
        workspace_id="acme",
        user_id="alice",
        permissions=["a", "b", "a"],
        created_at=CREATED,
        expires_at=CREATED + timedelta(days=30),
    )
    assert (token.workspace_id, token.user_id) == ("acme", "alice")
    assert token.permissions == frozenset({"a", "b"})
    assert (token.created_at, token.expires_at) == (CREATED, CREATED + timedelta(days=30))
    assert token.revoked_at is None


@pytest.mark.parametrize("user_id", ["a", "rocket.cat", "älice", "O'Neill 2", "x" * 128])
def test_valid_user_ids(user_id: str) -> None:
    assert make_token(user_id=user_id)[0].user_id == user_id


@pytest.mark.parametrize(
    ("user_id", "why"),
    [
        ("", "1 to 128"),
        ("x" * 129, "1 to 128"),
        (" alice", "printable"),
        ("alice ", "printable"),
        ("alice\n", "printable"),
        ("a\0b", "printable"),
        ("a\r\nX-Admin: 1", "printable"),
    ],
)
def test_user_ids_that_cannot_be_sent_in_a_header_are_refused(user_id: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        make_token(user_id=user_id)
