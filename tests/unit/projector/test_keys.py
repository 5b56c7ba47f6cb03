"""The keys of the counters: no workspace id can be part of another workspace's key."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from ingest.events.event import NotAnEventError, decode
from projector import keys

DAYS = st.dates()
BUCKETS = st.integers(-(10**6), 10**7)
WORKSPACE_IDS = st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True)
FORGERIES = st.text(":{}0123456789-abc\n\x00 day", max_size=30)
OWN = {keys.FIRST.checkpoints, keys.FIRST.as_of, keys.ONLY.deployment, keys.ONLY.gaps, keys.ONLY.tokens}


@given(WORKSPACE_IDS, DAYS, WORKSPACE_IDS, DAYS)
def test_only_the_same_day_has_the_same_key(one: str, day: date, other: str, other_day: date) -> None:
    assert (keys.FIRST.day(one, day) == keys.FIRST.day(other, other_day)) == (
        (one, day) == (other, other_day)
    )


@given(WORKSPACE_IDS, DAYS, WORKSPACE_IDS, BUCKETS)
def test_keys_of_days_buckets_and_metadata_differ(one: str, day: date, other: str, bucket: int) -> None:
    assert len({keys.FIRST.day(one, day), keys.FIRST.bucket(other, bucket), *OWN}) == 2 + len(OWN)


@given(WORKSPACE_IDS, DAYS, BUCKETS)
def test_all_keys_are_in_one_slot_for_any_workspace(workspace_id: str, day: date, bucket: int) -> None:
    """The text between the first pair of braces determines the slot of a key in a cluster."""
    for key in {keys.FIRST.day(workspace_id, day), keys.FIRST.bucket(workspace_id, bucket), *OWN}:
        assert key.partition("{")[2].partition("}")[0] == "0"


@given(FORGERIES)
def test_a_text_that_could_forge_a_key_is_no_workspace_id(forgery: str) -> None:
    escaped = forgery.replace("\n", "\\n").replace("\x00", "\\u0000")
    value = f'{{"workspace_id": "{escaped}", "type": "x", "occurred_at": "2024-05-17T12:00:00Z"}}'
    try:
        workspace_id = decode(value.encode()).workspace_id
    except NotAnEventError:
        return
    assert not set(workspace_id) & set(":{}\n\x00 ")
