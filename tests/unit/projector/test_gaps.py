"""The days that a gap may affect, as reported to the operator."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

from ingest.batch import Offset, Partition
from ingest.ports import Extent, Gap
from projector.calendar import Calendar
from projector.gaps import report
from tests.support.fakes_log import NOW

GAP = Gap(
    partition=Partition("user-activity", 3),
    cause="retention",
    checkpoint=Offset(5),
    extent=Extent(Offset(7), Offset(9)),
)
KIRITIMATI = Calendar(time_zone=ZoneInfo("Pacific/Kiritimati"), retention_days=0, bucket_retention_days=0)


def test_a_gap_may_affect_every_day_since_its_as_of() -> None:
    """In the deployment's zone: at noon UTC, the 18th has begun in Kiritimati."""
    found = report(GAP, as_of=NOW - timedelta(days=2), now=NOW, calendar=KIRITIMATI)
    assert (found.first_day, found.last_day) == (date(2024, 5, 16), date(2024, 5, 18))
    assert (found.partition, found.cause, found.checkpoint) == (3, "retention", 5)
    assert (found.beginning, found.end, found.found_at) == (7, 9, NOW)


def test_a_gap_of_a_partition_that_was_catching_up_may_affect_any_day() -> None:
    assert report(GAP, as_of=None, now=NOW, calendar=KIRITIMATI).first_day is None
