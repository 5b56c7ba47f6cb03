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
    """Check that the counters in Redis belong to these settings."""
    mismatch, recorded = facts
    if mismatch is not None:
        return problem(mismatch, "Until then, workers refuse to start.")
    if "topic" not in recorded:
        return warning(
            "Redis holds no counters: nothing has been counted there yet.",
            "Correct REDIS_URL, or start a worker.",
        )
    return ok("The counters belong to this topic and time zone.")


def check_audience(recorded: Mapping[str, str]) -> Judgement:
    """Show which activity is counted."""
    return ok(str(read_activity_filter(recorded)))


def check_forgotten(recorded: Mapping[str, str]) -> Judgement:
    """Check that the counters were computed with the current list of forgotten people."""
    if is_list_outdated(recorded):
        return warning(
            "People were forgotten or remembered after the log was counted: estimates may include forgotten "
            "people, and remembered people may be missing.",
            "Run headcount rebuild.",
        )
    return ok("No counter includes a forgotten person.")


def check_key(facts: tuple[Mapping[str, str], str | None]) -> Judgement:
    """Compare the fingerprint of the given key with the recorded one."""
    recorded, given = facts[0].get(KEY_FIELD), facts[1]
    if given is None:
        return unknown(
            "USER_ID_HASH_KEY is not set here: the workers' key can't be checked.",
            "Run the doctor with USER_ID_HASH_KEY_FILE. Without the key, a worker refuses to start.",
        )
    if recorded is None:
        return ok("USER_ID_HASH_KEY is set, and no user id has been hashed yet.")
    if recorded != given:
        return problem(
            "USER_ID_HASH_KEY is not the key that user ids in Redis are hashed with.",
            "Set the former key. If it is lost, run headcount rebuild --change USER_ID_HASH_KEY.",
        )
    return ok("USER_ID_HASH_KEY is the key that user ids in Redis are hashed with.")


SOON: Final = timedelta(days=7)
CREATE: Final = "headcount tokens create --workspace W --user U"


def check_tokens(facts: tuple[Sequence[Token], datetime]) -> Judgement:
    """Check for active tokens, and for tokens that expire or expired within a week."""
    tokens, now = facts
    active = [token for token in tokens if token.is_active(now)]
    if not tokens:
        return problem("There are no tokens: the API answers 503 to every client.", f"Create one: {CREATE}")
    if not active:
        return problem(
            f"All {len(tokens)} tokens are expired or revoked: no client can log in.", f"Create one: {CREATE}"
        )
    ending = [token.id for token in active if token.is_expired(now + SOON)]
    ended = [token.id for token in tokens if _has_just_expired(token, now)]
    if ending or ended:
        return warning(
            f"Of {len(tokens)} tokens, within {SOON.days} days: {_listed(ending)} will expire, "
            f"{_listed(ended)} have expired.",
            f"Give their users new tokens in time: {CREATE} --expires-in 90d",
        )
    return ok(f"{len(active)} of {len(tokens)} tokens are active; none expires within {SOON.days} days.")


def _has_just_expired(token: Token, now: datetime) -> bool:
    return not token.is_revoked and token.is_expired(now) and not token.is_expired(now - SOON)


def _listed(ids: Sequence[str]) -> str:
    return ", ".join(ids) or "none"
