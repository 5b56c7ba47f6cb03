"""Checks of the rights of Redis users, without running any of the commands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from redis.asyncio.connection import AbstractConnection, parse_url
from redis.exceptions import NoPermissionError, ResponseError

from headcount.clients import api_redis
from headcount.ops.doctor.finding import Judgement, Unknown, ok, problem, unknown, warning
from headcount.wiring import Config
from projector import keys
from projector.redis import Redis

Command = tuple[str, ...]
_NO_SCRIPT: Final = "0" * 40
_DAY: Final = keys.FIRST.day("doctor", date(2000, 1, 1))
_BUCKET: Final = keys.FIRST.bucket("doctor", 0)
_SCRATCH: Final = keys.ONLY.shadow("doctor").day("doctor", date(2000, 1, 1))
_REQUESTS: Final = f"{keys.REQUESTS}:doctor"
COMMANDS: Final[Mapping[str, Sequence[Command]]] = {
    "worker": (
        ("INFO",),
        ("TIME",),
        ("SCRIPT", "LOAD", "return 1"),
        (
            "EVALSHA",
            _NO_SCRIPT,
            "6",
            keys.FIRST.checkpoints,
            keys.FIRST.as_of,
            keys.ONLY.deployment,
            keys.ONLY.gaps,
            _DAY,
            _BUCKET,
        ),
        ("HGET", keys.ONLY.deployment, "f"),
        ("HGETALL", keys.FIRST.checkpoints),
        ("HGETALL", keys.ONLY.deployment),
        ("HLEN", keys.FIRST.checkpoints),
        ("HSET", keys.FIRST.checkpoints, "f", "v"),
        ("HSET", keys.FIRST.as_of, "f", "v"),
        ("HSETNX", keys.ONLY.deployment, "f", "v"),
        ("HDEL", keys.FIRST.as_of, "f"),
        ("DEL", keys.FIRST.as_of),
        ("RPUSH", keys.ONLY.gaps, "v"),
        ("LTRIM", keys.ONLY.gaps, "0", "1"),
        ("SMEMBERS", keys.ONLY.forgotten),
        ("SADD", keys.ONLY.forgotten, "v"),
        ("SREM", keys.ONLY.forgotten, "v"),
        ("SCAN", "0"),
        ("TYPE", _DAY),
        ("SADD", _DAY, "v"),
        ("SADD", _BUCKET, "v"),
        ("SREM", _DAY, "v"),
        ("SCARD", _DAY),
        ("SMEMBERS", _DAY),
        ("DEL", _DAY),
        ("PFADD", _DAY, "v"),
        ("PFADD", _BUCKET, "v"),
        ("EXPIREAT", _DAY, "1"),
        ("PERSIST", _BUCKET),
    ),
    "api": (
        ("SCRIPT", "LOAD", "return 1"),
        ("EVALSHA", _NO_SCRIPT, "4", keys.ONLY.deployment, keys.FIRST.checkpoints, keys.FIRST.as_of, _DAY),
        ("EVALSHA", _NO_SCRIPT, "1", _REQUESTS),
        ("HLEN", keys.FIRST.checkpoints),
        ("HVALS", keys.FIRST.as_of),
        ("HGET", keys.ONLY.deployment, "f"),
        ("TYPE", _DAY),
        ("SCARD", _DAY),
        ("PFCOUNT", _DAY),
        ("HGET", keys.ONLY.tokens, "f"),
        ("HVALS", keys.ONLY.tokens),
        ("EXISTS", keys.ONLY.tokens),
        ("INCRBY", _REQUESTS, "1"),
        ("EXPIRE", _REQUESTS, "1"),
    ),
    "operator": (
        ("INFO",),
        ("TIME",),
        ("CONFIG", "GET", "save"),
        ("SCAN", "0"),
        ("SCRIPT", "LOAD", "return 1"),
        ("EVALSHA", _NO_SCRIPT, "1", _SCRATCH),
        ("HGETALL", keys.FIRST.checkpoints),
        ("HGETALL", keys.FIRST.as_of),
        ("HGETALL", keys.ONLY.deployment),
        ("HSET", keys.FIRST.checkpoints, "f", "v"),
        ("HDEL", keys.FIRST.as_of, "f"),
        ("LRANGE", keys.ONLY.acknowledged_gaps, "0", "1"),
        ("RPUSH", keys.ONLY.gaps, "v"),
        ("LMOVE", keys.ONLY.gaps, keys.ONLY.acknowledged_gaps, "LEFT", "RIGHT"),
        ("HSET", keys.ONLY.tokens, "f", "v"),
        ("HVALS", keys.ONLY.tokens),
        ("SREM", keys.ONLY.forgotten, "v"),
        ("SISMEMBER", _DAY, "v"),
        ("EXISTS", _DAY),
        ("PFADD", _DAY, "v"),
        ("EXPIREAT", _BUCKET, "1"),
        ("PFMERGE", _SCRATCH, _DAY),
        ("UNLINK", _SCRATCH),
    ),
}
"""Example commands of each part: one for each right that the part needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """The commands of a part that a user may not run. `unlimited` stands for an administrator."""

    user: str
    part: str
    refused: Sequence[Command] = ()
    unlimited: bool = False


OPERATOR: Final = "operator"
ADMINISTRATOR: Final = "After a change of users, run the doctor once with the REDIS_URL of an administrator."
PERMITTED: Final = "OK"
REPLAYED: Final[Sequence[Command]] = (
    ("MULTI",),
    ("EXEC",),
    ("HSET", keys.FIRST.checkpoints, "f", "v"),
    ("HSET", keys.ONLY.tokens, "f", "v"),
    ("SADD", keys.FIRST.day("w", date(2026, 1, 1)), "v"),
    ("PFADD", keys.FIRST.bucket("w", 1), "v"),
)
"""Examples of the commands that the append-only file holds."""


async def own_rights(config: Config, redis: Redis) -> Rights:
    """Return which commands of its part this connection's user may not run."""
    user = await _name(config, redis)
    if user not in COMMANDS and await _is_administrator(redis):
        return Rights(user=user, part=OPERATOR, unlimited=True)
    part = user if user in COMMANDS else OPERATOR
    async with api_redis(config) as other:
        return Rights(user=user, part=part, refused=await _refused(other, COMMANDS[part]))


async def other_rights(redis: Redis, own: Rights | Unknown) -> Sequence[Rights] | Unknown:
    """Return which commands the shipped users may not run; only an administrator can find out."""
    if isinstance(own, Unknown):
        return own
    if not own.unlimited:
        return Unknown(f"the Redis user {own.user} may not read the rights of other users.", ADMINISTRATOR)
    found = [await _rights_of(redis, part) for part in COMMANDS]
    return [rights for rights in found if rights is not None]


async def lacks_replay_rights(redis: Redis) -> bool:
    """Return whether the user `default`, on or off, lacks rights to replay the append-only file."""
    answers = [await redis.acl_dryrun("default", *command) for command in REPLAYED]
    return any(_text(answer) != PERMITTED for answer in answers)


async def _name(config: Config, redis: Redis) -> str:
    try:
        return str(await redis.acl_whoami())
    except NoPermissionError:
        return str(parse_url(config.redis.url).get("username", "default"))


async def _is_administrator(redis: Redis) -> bool:
    # Never run as one of the shipped users: Redis records a refusal in its ACL LOG.
    try:
        await redis.acl_dryrun("default", "PING")
    except ResponseError as error:
        return not isinstance(error, NoPermissionError)
    return True


async def _rights_of(redis: Redis, user: str) -> Rights | None:
    try:
        answers = [await redis.acl_dryrun(user, *command) for command in COMMANDS[user]]
    except ResponseError:
        return None  # the user does not exist
    commands = zip(COMMANDS[user], answers, strict=True)
    return Rights(
        user=user, part=user, refused=[each for each, answer in commands if _text(answer) != PERMITTED]
    )


def _text(answer: object) -> str:
    return answer.decode() if isinstance(answer, bytes) else str(answer)


async def _refused(redis: Redis, commands: Sequence[Command]) -> Sequence[Command]:
    """Queue commands in a transaction that is never executed: Redis checks rights when it queues them."""
    connection: AbstractConnection = await redis.connection_pool.get_connection()  # type: ignore[no-untyped-call]
    try:
        await connection.send_command("MULTI")
        await connection.read_response()
        return [command for command in commands if await _is_refused(connection, command)]
    finally:
        await connection.disconnect()  # discards the queued commands
        await redis.connection_pool.release(connection)


async def _is_refused(connection: AbstractConnection, command: Command) -> bool:
    await connection.send_command(*command)
    try:
        await connection.read_response()
    except NoPermissionError:
        return True
    return False


USERS_FILE: Final = "deploy/redis/users.acl"
RELOAD: Final = (
    f"Grant it the rights in {USERS_FILE} (ACL LOAD reads a changed file), then run the doctor again."
)


def check_own_rights(rights: Rights) -> Judgement:
    """Check that this connection's user has the rights of its part, and no administrator's rights."""
    if rights.unlimited:
        return warning(
            f"The doctor's Redis user {rights.user} has all rights.",
            f"Use one user each for worker, API and operator, as in {USERS_FILE}: a leaked password then "
            "gives access to less.",
        )
    if rights.refused:
        return problem(f"{_refusals(rights)}.", RELOAD)
    return ok(f"The doctor's Redis user {rights.user} has the rights of the {rights.part}.")


def check_other_rights(users: Sequence[Rights]) -> Judgement:
    """Check that the shipped users have the rights in the shipped file."""
    if not users:
        return unknown(f"Redis has none of the users in {USERS_FILE}.")
    lacking = [rights for rights in users if rights.refused]
    if lacking:
        return problem(f"{'; '.join(map(_refusals, lacking))}.", RELOAD)
    return ok(f"These users have the rights of their parts: {', '.join(rights.user for rights in users)}.")


def _refusals(rights: Rights) -> str:
    commands = ", ".join(" ".join(command[:2]) for command in rights.refused)
    return f"The Redis user {rights.user} lacks rights that the {rights.part} needs: {commands}"
