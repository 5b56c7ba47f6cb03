"""Checks of what is counted, under which key, and of the API's tokens."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from api.auth.tokens import Token
from headcount.ops.doctor.finding import Judgement, ok, problem, unknown, warning
from projector.activity_filter import read_activity_filter
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
    return ok(str(read_activity_filter(recorded)))


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


SOON: Final = timedelta(days=7)
CREATE: Final = "headcount tokens create --workspace W --user U"


def check_tokens(facts: tuple[Sequence[Token], datetime]) -> Judgement:
    """Look at who can log in now, and who could a week ago or no longer can in a week."""
    tokens, now = facts
    active = [token for token in tokens if token.is_active(now)]
    if not tokens:
        return problem("There are no tokens: the API answers 503 to everybody.", f"Make one: {CREATE}")
    if not active:
        return problem(
            f"All {len(tokens)} tokens are expired or revoked: nobody can log in.", f"Make one: {CREATE}"
        )
    ending = [token.id for token in active if token.is_expired(now + SOON)]
    ended = [token.id for token in tokens if _has_just_expired(token, now)]
    if ending or ended:
        return warning(
            f"Of {len(tokens)} tokens, within {SOON.days} days: {_listed(ending)} will expire, "
            f"{_listed(ended)} have.",
            f"Give their users new ones before: {CREATE} --expires-in 90d",
        )
    return ok(
        f"{len(active)} of {len(tokens)} tokens are active, none of which expires within {SOON.days} days."
    )


def _has_just_expired(token: Token, now: datetime) -> bool:
    return not token.is_revoked and token.is_expired(now) and not token.is_expired(now - SOON)


def _listed(ids: Sequence[str]) -> str:
    return ", ".join(ids) or "none"
