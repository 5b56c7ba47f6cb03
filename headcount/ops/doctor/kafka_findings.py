"""What is found about Kafka: each check, and the facts that it judges."""

from collections.abc import Sequence

from headcount.ops.doctor.clock_checks import check_kafka_clock
from headcount.ops.doctor.exposure_checks import check_kafka_transport
from headcount.ops.doctor.facts import Facts
from headcount.ops.doctor.finding import Finding, judged, part_of, reached, together
from headcount.ops.doctor.topic_checks import (
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


def kafka_findings(facts: Facts) -> Sequence[Finding]:
    """Judge Kafka, its topics, and the way to it."""
    kafka, config = facts.kafka, facts.config
    address = (
        f"Look at KAFKA_BOOTSTRAP_SERVERS ({config.kafka.bootstrap_servers}), at Kafka itself, "
        "and at the way to it."
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
