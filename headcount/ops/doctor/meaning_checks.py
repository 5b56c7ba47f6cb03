"""Checks of what the counters mean: for whom they count, and under which key."""

from collections.abc import Mapping
from typing import Final

from headcount.ops.doctor.finding import Judgement, ok, problem, unknown, warning
from projector.activity_filter import read_audience
from projector.counter_config import is_list_outdated

KEY_FIELD: Final = "user_id_hash_key"


def check_deployment(facts: tuple[str | None, Mapping[str, str]]) -> Judgement:
    """Tell whether what is counted here is what these settings mean."""
    mismatch, recorded = facts
    if mismatch is not None:
        return problem(mismatch, "Until then workers refuse to start.")
    if "topic" not in recorded:
        return warning(
            "Redis holds no counters: nothing was counted there yet.", "Correct REDIS_URL, or start a worker."
        )
    return ok("It counts for this topic and time zone.")


def check_audience(recorded: Mapping[str, str]) -> Judgement:
    """Show who counts: a number that leaves some out is well, as long as everybody knows."""
    return ok(str(read_audience(recorded)))


def check_forgotten(recorded: Mapping[str, str]) -> Judgement:
    """Look whether the counters were counted by the list of forgotten people as it is."""
    if is_list_outdated(recorded):
        return warning(
            "People were forgotten or remembered since the log was counted: estimates may hold forgotten "
            "ones, and remembered ones may be missing.",
            "Run headcount rebuild.",
        )
    return ok("The counters hold nobody who is to be forgotten.")


def check_key(facts: tuple[Mapping[str, str], str | None]) -> Judgement:
    """Hold the fingerprint of the key that is given here against the recorded one."""
    recorded, given = facts[0].get(KEY_FIELD), facts[1]
    if given is None:
        return unknown(
            "USER_ID_HASH_KEY is not set here: whether the workers' is the right one can't be told.",
            "Run the doctor with the key, by USER_ID_HASH_KEY_FILE. Without it a worker refuses to start.",
        )
    if recorded is None:
        return ok("USER_ID_HASH_KEY is set, and nobody was counted yet under any.")
    if recorded != given:
        return problem(
            "USER_ID_HASH_KEY is not the one that user ids in Redis are hashed under.",
            "Give the former key; if it is lost: headcount rebuild --change USER_ID_HASH_KEY.",
        )
    return ok("USER_ID_HASH_KEY is the one that user ids in Redis are hashed under.")
