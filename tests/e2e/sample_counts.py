"""Who the sample week counts, found again by plain sets: nothing here comes from what is tested."""

import gzip
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

from tests.e2e.programs import ROOT

SAMPLE = ROOT / "headcount" / "ops" / "replay" / "sample" / "week.tsv.gz"
LAST_DAY = date(2012, 10, 27)


def users_by_weekday(workspace_id: str, until: time) -> Mapping[int, set[str]]:
    """Return who speaks on each weekday up to that time of day."""
    users: defaultdict[int, set[str]] = defaultdict(set)
    with gzip.open(SAMPLE, "rt") as lines:
        for line in lines:
            minute, workspace, user = line.rstrip("\n").split("\t")
            moment = datetime.fromisoformat(minute)
            if workspace == workspace_id and moment.time() <= until:
                users[moment.weekday()].add(user)
    return users


def by_weekday(workspace_id: str, now: datetime) -> Mapping[date, int]:
    """Count the seven days that end now, when each has the activity of the sample's same weekday."""
    whole, begun = users_by_weekday(workspace_id, time.max), users_by_weekday(workspace_id, now.time())
    days = [now.date() - timedelta(days=back) for back in range(7)]
    return {day: len((begun if day == now.date() else whole)[day.weekday()]) for day in days}


def shifted_to(workspace_id: str, now: datetime) -> Mapping[date, int]:
    """Count the seven days that end now, when the sample's last day is today."""
    back_then = datetime.combine(LAST_DAY, now.time(), UTC)
    return {
        now.date() - (back_then.date() - day): users
        for day, users in by_weekday(workspace_id, back_then).items()
    }
