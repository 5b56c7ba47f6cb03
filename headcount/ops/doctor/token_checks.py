"""Checks of the tokens: somebody can log in, and nobody is locked out unawares."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from api.auth.tokens import Token
from headcount.ops.doctor.finding import Judgement, ok, problem, warning

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
