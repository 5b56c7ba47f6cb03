"""What is found about Headcount itself: its counting, and what its settings show to the network."""

from collections.abc import Sequence

from headcount.ops.doctor.clock_checks import check_worker_clocks
from headcount.ops.doctor.counting_checks import (
    Counting,
    check_dead_letters,
    check_expired,
    check_gaps,
    check_lag,
    check_stopped,
    check_workers,
)
from headcount.ops.doctor.exposure_checks import (
    check_api_transport,
    check_http_limits,
    check_metrics,
    check_trusted_proxies,
)
from headcount.ops.doctor.facts import Facts
from headcount.ops.doctor.finding import Finding, Unknown, judged, part_of, together


def counting_findings(facts: Facts) -> Sequence[Finding]:
    """Judge how far the log is counted, and by whom."""
    counting, progress = _counting(facts), facts.redis.progress
    partitions = part_of(facts.kafka.partitions, len)
    newest = part_of(progress, lambda known: max(known.as_of.values(), default=None))
    return [
        judged("workers", together(partitions, facts.kafka.workers), check_workers),
        judged("workers' clocks", together(newest, facts.now), check_worker_clocks),
        judged("lag", counting, check_lag),
        judged("stopped partitions", counting, check_stopped),
        judged("gaps", part_of(progress, lambda known: known.gaps), check_gaps),
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
    """Judge the settings that an API or a worker with the same environment would have."""
    config = facts.config
    return [
        judged("API encryption", config, check_api_transport),
        judged("API limits", config, check_http_limits),
        judged("trusted proxies", config, check_trusted_proxies),
        judged("metrics", config, check_metrics),
    ]
