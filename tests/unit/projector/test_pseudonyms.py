"""Pseudonyms: they depend on the key, the workspace and the user."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.pseudonyms import KEY_MIN_CHARACTERS, Pseudonyms
from tests.support.people import KEY, PSEUDONYMS

OTHERS = Pseudonyms(f"{KEY}!")
WORKSPACE_IDS = st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True)
USER_IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=128)
MANY = [f"user-{number}" for number in range(20_000)]


def pseudonym(user_id: str, *, workspace_id: str = "acme", pseudonyms: Pseudonyms = PSEUDONYMS) -> str:
    (found,) = pseudonyms.of(workspace_id, [user_id])
    return found


@given(WORKSPACE_IDS, USER_IDS)
def test_a_pseudonym_is_a_number_that_redis_keeps_as_an_integer(workspace_id: str, user_id: str) -> None:
    found = pseudonym(user_id, workspace_id=workspace_id)
    assert found == str(int(found))
    assert 0 <= int(found) < 2**63
    assert found == pseudonym(user_id, workspace_id=workspace_id, pseudonyms=Pseudonyms(KEY))


@given(WORKSPACE_IDS, USER_IDS)
def test_another_key_gives_another_pseudonym(workspace_id: str, user_id: str) -> None:
    of_others = pseudonym(user_id, workspace_id=workspace_id, pseudonyms=OTHERS)
    assert pseudonym(user_id, workspace_id=workspace_id) != of_others


@given(WORKSPACE_IDS, WORKSPACE_IDS, USER_IDS)
def test_the_same_id_in_another_workspace_is_another_user(one: str, other: str, user_id: str) -> None:
    same = pseudonym(user_id, workspace_id=one) == pseudonym(user_id, workspace_id=other)
    assert same == (one == other)


@given(USER_IDS, USER_IDS)
def test_other_users_have_other_pseudonyms(one: str, other: str) -> None:
    assert (pseudonym(one) == pseudonym(other)) == (one == other)


def test_the_boundary_of_workspace_and_user_is_unambiguous() -> None:
    assert pseudonym("b:c", workspace_id="a") != pseudonym("c", workspace_id="a.b")
    assert pseudonym("bc", workspace_id="a") != pseudonym("c", workspace_id="ab")


def test_many_users_have_as_many_pseudonyms() -> None:
    assert len(set(PSEUDONYMS.of("acme", MANY))) == len(MANY)


@pytest.mark.parametrize("bit", range(63))
def test_every_bit_is_set_for_half_of_the_users(bit: int) -> None:
    """Within 6 standard deviations; a biased bit would reduce the precision."""
    ones = sum(int(each) >> bit & 1 for each in PSEUDONYMS.of("acme", MANY))
    assert abs(ones - len(MANY) / 2) < 6 * (len(MANY) / 4) ** 0.5


def test_fingerprints_of_different_keys_differ() -> None:
    assert PSEUDONYMS.fingerprint == Pseudonyms(KEY).fingerprint
    assert PSEUDONYMS.fingerprint != OTHERS.fingerprint


def test_a_fingerprint_is_no_pseudonym_and_no_part_of_the_key() -> None:
    fingerprint = PSEUDONYMS.fingerprint
    assert len(fingerprint) == 16
    assert fingerprint not in KEY.encode().hex()
    assert pseudonym("", workspace_id="a") != str(int(fingerprint, 16) >> 1)


@pytest.mark.parametrize("key", ["", "k" * (KEY_MIN_CHARACTERS - 1)])
def test_a_short_key_is_rejected(key: str) -> None:
    with pytest.raises(ValueError, match=f"at least {KEY_MIN_CHARACTERS} characters"):
        Pseudonyms(key)


def test_a_cached_pseudonym_equals_a_computed_one() -> None:
    small_cache = Pseudonyms(KEY, capacity=10)
    for start in (0, 7, 0, 3):
        some = MANY[start : start + 8]
        assert small_cache.of("acme", some) == Pseudonyms(KEY).of("acme", some)
        assert small_cache.of("other", some) == Pseudonyms(KEY).of("other", some)
