"""The recount: who of a workspace was active on which day, by the rule that the worker counts by."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime

from headcount.ops.verify.distinct_users import DistinctUsers
from ingest.events.event import Event
from projector.calendar import Calendar
from projector.counted_users import CountedUsers
from projector.fold import fold
from projector.keys import Counter


class Recount:
    """Counts the events of some days of one workspace into `users`, as of `now`, which is aware."""

    def __init__(
        self,
        workspace_id: str,
        days: Sequence[date],
        users: DistinctUsers,
        *,
        calendar: Calendar,
        counted_users: CountedUsers,
        now: datetime,
    ) -> None:
        self._workspace_id = workspace_id
        self._days = {Counter(workspace_id, day): day for day in days}
        self._users = users
        self._calendar = calendar
        self._counted_users = counted_users
        self._now = now

    def add(self, events: Iterable[Event]) -> None:
        own = [event for event in events if event.workspace_id == self._workspace_id]
        for addition in fold(own, self._calendar, self._counted_users.activity_filter, self._now).additions:
            if day := self._days.get(addition.counter):
                self._users.add(day, filter(self._is_counted, addition.user_ids))

    def counts(self) -> dict[date, int]:
        """Return the number of distinct users of each day, 0 where there was none."""
        return dict.fromkeys(self._days.values(), 0) | self._users.counts()

    def _is_counted(self, user_id: str) -> bool:
        """Tell whether the user is not to be forgotten."""
        return bool(self._counted_users.of(self._workspace_id, [user_id]))
