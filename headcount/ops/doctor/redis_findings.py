"""What is found about Redis: each check, and the facts that it judges."""

from collections.abc import Sequence

from headcount.ops.doctor.clock_checks import check_redis_clock
from headcount.ops.doctor.exposure_checks import check_redis_transport
from headcount.ops.doctor.facts import Facts
from headcount.ops.doctor.finding import Finding, judged, part_of, reached, together
from headcount.ops.doctor.meaning_checks import (
    check_audience,
    check_deployment,
    check_forgotten,
    check_key,
)
from headcount.ops.doctor.persistence_checks import (
    check_fragmentation,
    check_memory,
    check_persistence,
    check_replay,
)
from headcount.ops.doctor.redis_checks import (
    check_eviction,
    check_replication,
    check_role,
    check_sets,
    check_sketches,
    check_version,
)
from headcount.ops.doctor.rights_checks import check_other_rights, check_own_rights
from headcount.ops.doctor.token_checks import check_tokens
from headcount.wiring import deployment


def redis_findings(facts: Facts) -> Sequence[Finding]:
    """Judge Redis, what it keeps of ours, and the way to it."""
    redis, config = facts.redis, facts.config
    memory = part_of(redis.server, lambda server: server.memory)
    replication = part_of(redis.server, lambda server: server.replication)
    persistence = part_of(redis.server, lambda server: server.persistence)
    recorded = part_of(redis.progress, lambda known: known.deployment)
    given = deployment(config).user_id_hash_key
    address = f"Look at REDIS_URL ({config.redis.url_redacted}), at Redis itself, and at the way to it."
    return [
        reached("Redis", redis.reached, address),
        judged("Redis version", redis.server, check_version),
        judged("Redis role", replication, check_role),
        judged("Redis replicas", together(replication, redis.options), check_replication),
        judged("Redis eviction", redis.server, check_eviction),
        judged(
            "Redis persistence",
            together(together(persistence, redis.options), facts.now),
            check_persistence,
        ),
        judged("Redis restart", together(redis.lacks_replay_rights, redis.server), check_replay),
        judged("Redis memory", memory, check_memory),
        judged("Redis fragmentation", memory, check_fragmentation),
        judged("Redis sets", redis.options, check_sets),
        judged("Redis HyperLogLogs", redis.options, check_sketches),
        judged("Redis clock", redis.clock, check_redis_clock),
        judged("Redis rights", redis.rights, check_own_rights),
        judged("Redis rights of others", redis.other_rights, check_other_rights),
        judged("Redis encryption", config, check_redis_transport),
        judged("deployment", together(redis.mismatch, recorded), check_deployment),
        judged("who counts", recorded, check_audience),
        judged("forgotten people", recorded, check_forgotten),
        judged("key for user ids", together(recorded, given), check_key),
        judged("tokens", together(redis.tokens, facts.now), check_tokens),
    ]
