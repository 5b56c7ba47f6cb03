"""The truth: who was active where on which day, and how many that were, counted without any sketch."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from headcount.ops.replay.recording import Activity


@dataclass(frozen=True, slots=True, order=True)
class WorkspaceDay:
    """One day, in UTC, of one workspace."""

    workspace_id: str
    day: date

    def __str__(self) -> str:
        return f"{self.workspace_id}, {self.day}"


Counts = Mapping[WorkspaceDay, int]
CountedUsers = Mapping[WorkspaceDay, set[str]]


def people_of(activities: Iterable[Activity]) -> CountedUsers:
    """Gather the people of each day, once each."""
    counted_users: defaultdict[WorkspaceDay, set[str]] = defaultdict(set)
    for occurred_at, workspace_id, user_id in activities:
        counted_users[WorkspaceDay(workspace_id, occurred_at.date())].add(user_id)
    return counted_users


def count(counted_users: CountedUsers) -> Counts:
    """Count them."""
    return {day: len(user_ids) for day, user_ids in counted_users.items()}


def read_counts(path: Path) -> Counts:
    """Read counts from lines of workspace, day and users, with tabs between them."""
    rows = (line.split("\t") for line in path.read_text().splitlines())
    return {
        WorkspaceDay(workspace_id, date.fromisoformat(day)): int(users) for workspace_id, day, users in rows
    }
