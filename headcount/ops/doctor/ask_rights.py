"""Gathering who may do what in Redis, without doing any of it."""

from collections.abc import Sequence
from datetime import date
from typing import Final

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection, parse_url
from redis.exceptions import NoPermissionError, ResponseError

from headcount.clients import api_redis
from headcount.ops.doctor.finding import Unknown
from headcount.ops.doctor.rights_facts import COMMANDS, Command, Rights
from headcount.wiring import Config
from projector import keys

OPERATOR: Final = "operator"
ADMINISTRATOR: Final = "After a change of users, run the doctor once with an administrator's REDIS_URL."
PERMITTED: Final = "OK"
REPLAYED: Final[Sequence[Command]] = (
    ("MULTI",),
    ("EXEC",),
    ("HSET", keys.FIRST.checkpoints, "f", "v"),
    ("HSET", keys.ONLY.tokens, "f", "v"),
    ("SADD", keys.FIRST.day("w", date(2026, 1, 1)), "v"),
    ("PFADD", keys.FIRST.bucket("w", 1), "v"),
)
"""Examples of what the append-only file holds of Headcount."""


async def own_rights(config: Config, redis: Redis) -> Rights:
    """Find out what the user that we are may not do, of what its part does."""
    user = await _name(config, redis)
    if user not in COMMANDS and await _may_look(redis):
        return Rights(user=user, part=OPERATOR, unlimited=True)
    part = user if user in COMMANDS else OPERATOR
    async with api_redis(config) as other:
        return Rights(user=user, part=part, refused=await _refused(other, COMMANDS[part]))


async def other_rights(redis: Redis, own: Rights | Unknown) -> Sequence[Rights] | Unknown:
    """Find out what the shipped users may not do, which only an administrator may ask."""
    if isinstance(own, Unknown):
        return own
    if not own.unlimited:
        return Unknown(f"the Redis user {own.user} may not ask for the rights of others.", ADMINISTRATOR)
    found = [await _rights_of(redis, part) for part in COMMANDS]
    return [rights for rights in found if rights is not None]


async def lacks_replay_rights(redis: Redis) -> bool:
    """Find out whether the user `default` may not do what the append-only file holds; it need not be on."""
    answers = [await redis.acl_dryrun("default", *command) for command in REPLAYED]
    return any(_text(answer) != PERMITTED for answer in answers)


async def _name(config: Config, redis: Redis) -> str:
    try:
        return str(await redis.acl_whoami())
    except NoPermissionError:
        return str(parse_url(config.redis.url).get("username", "default"))


async def _may_look(redis: Redis) -> bool:
    # Never asked as one of the shipped users: a refusal is noted in Redis' ACL LOG.
    try:
        await redis.acl_dryrun("default", "PING")
    except ResponseError as error:
        return not isinstance(error, NoPermissionError)
    return True


async def _rights_of(redis: Redis, user: str) -> Rights | None:
    try:
        answers = [await redis.acl_dryrun(user, *command) for command in COMMANDS[user]]
    except ResponseError:
        return None  # there is no such user
    commands = zip(COMMANDS[user], answers, strict=True)
    return Rights(
        user=user, part=user, refused=[each for each, answer in commands if _text(answer) != PERMITTED]
    )


def _text(answer: object) -> str:
    return answer.decode() if isinstance(answer, bytes) else str(answer)


async def _refused(redis: Redis, commands: Sequence[Command]) -> Sequence[Command]:
    """Queue commands in a transaction that is never executed: each is held against the rights when queued."""
    connection: AbstractConnection = await redis.connection_pool.get_connection()  # type: ignore[no-untyped-call]
    try:
        await connection.send_command("MULTI")
        await connection.read_response()
        return [command for command in commands if await _is_refused(connection, command)]
    finally:
        await connection.disconnect()  # what was queued ends with its connection
        await redis.connection_pool.release(connection)


async def _is_refused(connection: AbstractConnection, command: Command) -> bool:
    await connection.send_command(*command)
    try:
        await connection.read_response()
    except NoPermissionError:
        return True
    return False
