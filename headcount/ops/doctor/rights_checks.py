"""Checks of rights in Redis: each part has those that it needs, and none has them all."""

from collections.abc import Sequence
from typing import Final

from headcount.ops.doctor.finding import Judgement, ok, problem, unknown, warning
from headcount.ops.doctor.rights_facts import Rights

USERS_FILE: Final = "deploy/redis/users.acl"
RELOAD: Final = f"Give it the rights in {USERS_FILE} (ACL LOAD takes a changed file), then look again."


def check_own_rights(rights: Rights) -> Judgement:
    """Tell whether the user that we are has the rights of its part, and not all there are."""
    if rights.unlimited:
        return warning(
            f"We are the Redis user {rights.user}, who may do everything.",
            f"Give worker, API and operator a user each, as in {USERS_FILE}: a password that leaks then "
            "opens less.",
        )
    if rights.refused:
        return problem(f"{_refusals(rights)}.", RELOAD)
    return ok(f"We are the Redis user {rights.user}, with the rights of the {rights.part}.")


def check_other_rights(users: Sequence[Rights]) -> Judgement:
    """Tell whether the users that are shipped have the rights that are shipped with them."""
    if not users:
        return unknown(f"Redis has none of the users in {USERS_FILE}.")
    lacking = [rights for rights in users if rights.refused]
    if lacking:
        return problem(f"{'; '.join(map(_refusals, lacking))}.", RELOAD)
    return ok(f"These have the rights of their parts: {', '.join(rights.user for rights in users)}.")


def _refusals(rights: Rights) -> str:
    commands = ", ".join(" ".join(command[:2]) for command in rights.refused)
    return f"The Redis user {rights.user} may not do what the {rights.part} does: {commands}"
