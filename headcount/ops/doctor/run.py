"""Runs the doctor: gathers all facts once, then applies every check."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from headcount.ops.doctor.clocks import check_kafka_clock, check_redis_clock, check_worker_clocks
from headcount.ops.doctor.counting import (
    Counting,
    check_dead_letters,
    check_expired,
    check_gaps,
    check_lag,
    check_rollback,
    check_stopped,
    check_workers,
)
from headcount.ops.doctor.deployment import (
    check_audience,
    check_deployment,
    check_forgotten,
    check_key,
    check_tokens,
)
from headcount.ops.doctor.exposure import (
    check_api_transport,
    check_http_limits,
    check_kafka_transport,
    check_metrics,
    check_redis_transport,
    check_trusted_proxies,
)
from headcount.ops.doctor.finding import Finding, Unknown, judged, part_of, reached, together
from headcount.ops.doctor.kafka import KafkaFacts, probe_kafka
from headcount.ops.doctor.persistence import check_fragmentation, check_memory, check_persistence
from headcount.ops.doctor.probing import Prober
from headcount.ops.doctor.redis import RedisFacts, probe_redis
from headcount.ops.doctor.rights import check_other_rights, check_own_rights
from headcount.ops.doctor.server import (
    check_eviction,
    check_replay,
    check_replication,
    check_role,
    check_sets,
    check_sketches,
    check_version,
)
from headcount.ops.doctor.topics import (
    check_compaction,
    check_erasures_kept,
    check_kafka_version,
    check_partition_health,
    check_replication_factor,
    check_retention_size,
    check_retention_time,
    check_timestamps,
    check_topics,
)
from headcount.wiring import Config, deployment, utc_now

SECONDS: Final = 7.0
"""The deadline of all probes. With the start of the command, the doctor ends within 10 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that the checks judge. `now` is the clock of the doctor, read after all other facts."""

    config: Config
    redis: RedisFacts
    kafka: KafkaFacts
    now: datetime


async def run_checks(config: Config) -> Sequence[Finding]:
    """Return the findings of all checks; those of a server that does not answer are unknown."""
    return judge(await gather(config, SECONDS))


async def gather(config: Config, seconds: float) -> Facts:
    """Probe Redis and Kafka concurrently, so that one that hangs takes no time from the other."""
    prober = Prober(seconds)
    redis, kafka = await asyncio.gather(probe_redis(config, prober), probe_kafka(config, prober))
    # The clock last: earlier facts are then in its past, unless the clocks differ.
    return Facts(config=config, redis=redis, kafka=kafka, now=utc_now())


def judge(facts: Facts) -> Sequence[Finding]:
    """Run all checks, in display order."""
    return [
        *redis_findings(facts),
        *kafka_findings(facts),
        *counting_findings(facts),
        *exposure_findings(facts),
    ]


def redis_findings(facts: Facts) -> Sequence[Finding]:
    """Check Redis, the data in it and the connection to it."""
    redis, config = facts.redis, facts.config
    memory = part_of(redis.server, lambda server: server.memory)
    replication = part_of(redis.server, lambda server: server.replication)
    persistence = part_of(redis.server, lambda server: server.persistence)
    recorded = part_of(redis.progress, lambda known: known.deployment)
    given = deployment(config).user_id_hash_key
    address = f"Check REDIS_URL ({config.redis.url_redacted}), that Redis is running, and the network."
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


def kafka_findings(facts: Facts) -> Sequence[Finding]:
    """Check Kafka, its topics and the connection to it."""
    kafka, config = facts.kafka, facts.config
    address = (
        f"Check KAFKA_BOOTSTRAP_SERVERS ({config.kafka.bootstrap_servers}), that Kafka is running, "
        "and the network."
    )
    stamped_by = part_of(kafka.topic, lambda topic: topic.options.get("message.timestamp.type", ""))
    return [
        reached("Kafka", kafka.reached, address),
        judged("Kafka version", kafka.metadata_version, check_kafka_version),
        judged("topics", kafka.missing, check_topics),
        judged("topic partitions", kafka.partitions, check_partition_health),
        judged(
            "topic replication",
            together(together(kafka.topic, kafka.partitions), kafka.brokers),
            check_replication_factor,
        ),
        judged("topic timestamps", kafka.topic, check_timestamps),
        judged(
            "topic retention time",
            together(kafka.topic, config.counting.retention_days),
            check_retention_time,
        ),
        judged("topic retention size", kafka.topic, check_retention_size),
        judged("topic clean-up", kafka.topic, check_compaction),
        judged("dead letters' clean-up", kafka.letters_topic, check_compaction),
        judged("erasures' clean-up", kafka.erasures_topic, check_erasures_kept),
        judged("Kafka clock", together(together(stamped_by, kafka.newest), facts.now), check_kafka_clock),
        judged("Kafka encryption", config, check_kafka_transport),
    ]


def counting_findings(facts: Facts) -> Sequence[Finding]:
    """Check the progress of the projection and its workers."""
    counting, progress = _counting(facts), facts.redis.progress
    partitions = part_of(facts.kafka.partitions, len)
    newest = part_of(progress, lambda known: max(known.as_of.values(), default=None))
    return [
        judged("workers", together(partitions, facts.kafka.workers), check_workers),
        judged("workers' clocks", together(newest, facts.now), check_worker_clocks),
        judged("lag", counting, check_lag),
        judged("stopped partitions", counting, check_stopped),
        judged("gaps", part_of(progress, lambda known: known.gaps), check_gaps),
        judged("rollbacks", together(progress, facts.now), check_rollback),
        judged("expired events", together(progress, facts.now), check_expired),
        judged("dead letters", facts.kafka.letters, check_dead_letters),
    ]


def _counting(facts: Facts) -> Counting | Unknown:
    log = together(facts.kafka.extents, facts.kafka.workers)
    return part_of(
        together(log, facts.redis.progress),
        lambda known: Counting(extents=known[0][0], workers=known[0][1], progress=known[1], now=facts.now),
    )


def exposure_findings(facts: Facts) -> Sequence[Finding]:
    """Check the settings that an API or a worker with this environment would have."""
    config = facts.config
    return [
        judged("API encryption", config, check_api_transport),
        judged("API limits", config, check_http_limits),
        judged("trusted proxies", config, check_trusted_proxies),
        judged("metrics", config, check_metrics),
    ]
