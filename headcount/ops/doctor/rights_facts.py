"""What the doctor knows of rights in Redis: who may do what each part of Headcount does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from projector import keys

Command = tuple[str, ...]

_NO_SCRIPT: Final = "0" * 40
_DAY: Final = keys.FIRST.day("doctor", date(2000, 1, 1))
_BUCKET: Final = keys.FIRST.bucket("doctor", 0)
_SCRATCH: Final = keys.shadow("doctor").day("doctor", date(2000, 1, 1))
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
            keys.DEPLOYMENT,
            keys.GAPS,
            _DAY,
            _BUCKET,
        ),
        ("HGET", keys.DEPLOYMENT, "f"),
        ("HGETALL", keys.FIRST.checkpoints),
        ("HGETALL", keys.DEPLOYMENT),
        ("HLEN", keys.FIRST.checkpoints),
        ("HSET", keys.FIRST.checkpoints, "f", "v"),
        ("HSET", keys.FIRST.as_of, "f", "v"),
        ("HSETNX", keys.DEPLOYMENT, "f", "v"),
        ("HDEL", keys.FIRST.as_of, "f"),
        ("DEL", keys.FIRST.as_of),
        ("RPUSH", keys.GAPS, "v"),
        ("LTRIM", keys.GAPS, "0", "1"),
        ("SMEMBERS", keys.FORGOTTEN),
        ("SADD", keys.FORGOTTEN, "v"),
        ("SREM", keys.FORGOTTEN, "v"),
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
        ("EVALSHA", _NO_SCRIPT, "4", keys.DEPLOYMENT, keys.FIRST.checkpoints, keys.FIRST.as_of, _DAY),
        ("EVALSHA", _NO_SCRIPT, "1", _REQUESTS),
        ("HLEN", keys.FIRST.checkpoints),
        ("HVALS", keys.FIRST.as_of),
        ("HGET", keys.DEPLOYMENT, "f"),
        ("TYPE", _DAY),
        ("SCARD", _DAY),
        ("PFCOUNT", _DAY),
        ("HGET", keys.TOKENS, "f"),
        ("HVALS", keys.TOKENS),
        ("EXISTS", keys.TOKENS),
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
        ("HGETALL", keys.DEPLOYMENT),
        ("HSET", keys.FIRST.checkpoints, "f", "v"),
        ("HDEL", keys.FIRST.as_of, "f"),
        ("LRANGE", keys.ACKNOWLEDGED_GAPS, "0", "1"),
        ("RPUSH", keys.GAPS, "v"),
        ("LMOVE", keys.GAPS, keys.ACKNOWLEDGED_GAPS, "LEFT", "RIGHT"),
        ("HSET", keys.TOKENS, "f", "v"),
        ("HVALS", keys.TOKENS),
        ("SREM", keys.FORGOTTEN, "v"),
        ("SISMEMBER", _DAY, "v"),
        ("EXISTS", _DAY),
        ("PFADD", _DAY, "v"),
        ("EXPIREAT", _BUCKET, "1"),
        ("PFMERGE", _SCRATCH, _DAY),
        ("UNLINK", _SCRATCH),
    ),
}
"""What each part does, as examples: one for each of its rights that would be missed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """Which of a part's commands a user may not run. `unlimited` are those of an administrator."""

    user: str
    part: str
    refused: Sequence[Command] = ()
    unlimited: bool = False
