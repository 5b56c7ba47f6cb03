"""A worker's metrics and health: what is shown is what is documented, and what it has counted."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import ClientSession

from headcount.settings import Settings
from headcount.telemetry import names
from headcount.telemetry.port import check_ports
from headcount.telemetry.worker_port import worker_port
from headcount.wiring import configure, load_config
from ingest.batch import Batch, Offset, Partition
from ingest.errors import OperatorError
from ingest.events.event import Event
from ingest.ports import Extent, LogState
from ingest.worker.stats import Stats
from projector.stats import Stats as Counted
from tests.support.fakes_api import NOW
from tests.support.scrapes import assert_shows, scrape

DOCUMENT = Path(__file__).parents[3] / "docs" / "reference" / "metrics.md"
CONFIG_ = load_config(
    {"REDIS_URL": "redis://127.0.0.1:1/0", "WORKER_METRICS_PORT": "0", "API_METRICS_PORT": "0"}
)
PARTITION = Partition("user-activity", 3)


def documented() -> list[tuple[str, str, tuple[str, ...], str]]:
    rows = re.findall(
        r"^\| `(headcount_\w+)` \| (\w+) \| (.+?) \| .+? \| (.+) \|$", DOCUMENT.read_text(), re.MULTILINE
    )
    return [(name, kind, tuple(re.findall(r"`(\w+)`", labels)), text) for name, kind, labels, text in rows]


async def busy_worker() -> tuple[Stats, Counted]:
    """Return the tallies of a worker that owns a partition and has counted a batch."""
    stats, counted = Stats(), Counted(counted=3, ignored=4, anonymous=2, expired=1)
    stats.state.assign([PARTITION])
    stats.state.place(PARTITION, Offset(5), None)
    stats.state.reach(LogState("one", {PARTITION: Extent(Offset(0), Offset(20))}))
    batch = Batch(partition=PARTITION, start=Offset(5), end=Offset(9), as_of=NOW)
    stats.state.step(batch)
    event = Event(workspace_id="acme", occurred_at=NOW - timedelta(seconds=3), type="message")
    stats.note_batch([event] * 4, seconds=0.02, now=NOW)
    stats.dead_letters["not-json"] = 7
    stats.gaps["retention"] = 1
    counted.causes["epoch-zero"] = 1
    stats.records = 11
    return stats, counted


def test_the_document_lists_every_metric_as_it_is() -> None:
    every = dict.fromkeys((*names.WORKER, *names.API))
    assert documented() == [(each.name, each.kind, each.labels, each.help) for each in every]


async def test_a_worker_shows_exactly_what_is_documented() -> None:
    stats, counted = await busy_worker()
    async with worker_port(CONFIG_, stats, counted) as url:
        shown = await scrape(str(url))
    assert_shows(shown, names.WORKER)


async def test_a_worker_shows_what_it_has_counted() -> None:
    stats, counted = await busy_worker()
    async with worker_port(CONFIG_, stats, counted) as url:
        shown = await scrape(str(url))
    assert shown.value("headcount_records_total") == 11
    results = {"counted": 3, "ignored": 4, "anonymous": 2, "expired": 1}
    assert all(shown.value("headcount_events_total", result=key) == n for key, n in results.items())
    assert shown.value("headcount_expired_events_total", cause="epoch-zero") == 1
    assert shown.value("headcount_expired_events_total", cause="older-than-retention") == 0
    assert shown.value("headcount_dead_letters_total", reason="not-json") == 7
    assert shown.value("headcount_dead_letters_total", reason="too-large") == 0
    assert shown.value("headcount_gaps_total", cause="retention") == 1
    assert shown.value("headcount_partition_lag_records", partition="3") == 11
    assert shown.value("headcount_partition_as_of_timestamp_seconds", partition="3") == NOW.timestamp()
    assert shown.value("headcount_partition_catching_up", partition="3") == 0
    assert shown.value("headcount_partition_stopped", partition="3") == 0
    assert shown.value("headcount_waiting") == 0


async def test_histograms_hold_in_each_bucket_what_is_in_the_smaller_ones() -> None:
    stats, counted = await busy_worker()
    async with worker_port(CONFIG_, stats, counted) as url:
        shown = await scrape(str(url))
    ages = {
        le: shown.value("headcount_event_age_seconds_bucket", le=le) for le in ("2.5", "5.0", "60.0", "+Inf")
    }
    assert ages == {"2.5": 0, "5.0": 4, "60.0": 4, "+Inf": 4}
    assert shown.value("headcount_event_age_seconds_count") == 4
    assert shown.value("headcount_event_age_seconds_sum") == 12
    assert shown.value("headcount_apply_seconds_sum") == 0.02


async def test_trouble_shows() -> None:
    stats, counted = await busy_worker()
    stats.state.assign([PARTITION])
    stats.state.stop(PARTITION, "a counter has the wrong type")
    stats.state.waiting_for = "Redis"
    async with worker_port(CONFIG_, stats, counted) as url:
        shown = await scrape(str(url))
    assert shown.value("headcount_partition_stopped", partition="3") == 1
    assert shown.value("headcount_partition_catching_up", partition="3") == 1
    assert shown.value("headcount_partition_as_of_timestamp_seconds", partition="3") is None
    assert shown.value("headcount_waiting") == 1


async def test_a_worker_without_redis_shows_everything_but_its_memory() -> None:
    async with worker_port(CONFIG_, Stats(), Counted()) as url:
        shown = await scrape(str(url))
    assert_shows(shown, names.WORKER)
    assert shown.value("headcount_redis_memory_used_bytes") is None
    assert shown.value("headcount_batches_total") == 0


async def test_a_port_that_is_off_is_not_opened() -> None:
    config = load_config({"WORKER_METRICS_PORT": "off", "API_METRICS_PORT": "off"})
    async with worker_port(config, Stats(), Counted()) as url:
        assert url is None
    await check_ports(config)


async def test_a_taken_port_is_a_sentence() -> None:
    async with worker_port(CONFIG_, Stats(), Counted()) as url:
        taken = configure(
            Settings(worker_metrics_port=int(str(url).rpartition(":")[2]), api_metrics_port=None)
        )
        with pytest.raises(OperatorError, match=r"^WORKER_METRICS_PORT \d+ on 127.0.0.1 is not available: "):
            await check_ports(taken)


async def test_a_wrong_host_is_not_blamed_on_the_port() -> None:
    wrong = configure(Settings(metrics_host="192.0.2.1", worker_metrics_port=0, api_metrics_port=None))
    with pytest.raises(OperatorError, match=r"^METRICS_HOST 192\.0\.2\.1 is not an address of this "):
        await check_ports(wrong)


async def test_worker_and_api_can_be_on_one_machine() -> None:
    defaults = configure(Settings())
    assert (
        len({defaults.http.port, defaults.telemetry.worker_metrics_port, defaults.telemetry.api_metrics_port})
        == 3
    )


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_worker_that_has_no_partitions_yet_lives_and_is_not_ready(method: str) -> None:
    async with worker_port(CONFIG_, Stats(), Counted()) as url, ClientSession(str(url)) as session:
        async with session.request(method, "/livez") as livez:
            assert livez.status == 200
        async with session.request(method, "/readyz") as readyz:
            assert readyz.status == 503


async def test_health_says_what_is_wrong() -> None:
    stats, counted = await busy_worker()
    stats.state.assign([PARTITION, Partition("user-activity", 1)])
    stats.state.place(PARTITION, Offset(5), NOW)
    stats.state.owned[PARTITION].progressed_at -= 1_000
    stats.state.away = "Kafka's offsets can't be read"
    async with worker_port(CONFIG_, stats, counted) as url, ClientSession(str(url)) as session:
        async with session.get("/readyz") as readyz:
            assert (readyz.status, await readyz.json()) == (
                503,
                {
                    "ready": False,
                    "servers": "Kafka's offsets can't be read",
                    "assignment": "ok",
                    "partitions": {
                        "user-activity:1": "no place yet: the checkpoint is being looked up",
                        "user-activity:3": "ok",
                    },
                },
            )
        async with session.get("/livez") as livez:
            assert (livez.status, await livez.json()) == (200, {"alive": True, "stalled": []})
        stats.state.away = None
        async with session.get("/livez") as livez:
            stalled = ["user-activity:3 makes no progress, with an unknown lag"]
            assert (livez.status, await livez.json()) == (503, {"alive": False, "stalled": stalled})
