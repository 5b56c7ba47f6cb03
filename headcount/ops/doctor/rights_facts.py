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
"""What each part does, as examples: one for each of its rights that would be missed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """Which of a part's commands a user may not run. `unlimited` are those of an administrator."""

    user: str
    part: str
    refused: Sequence[Command] = ()
    unlimited: bool = False
