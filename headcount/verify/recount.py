"""The recount: who of a workspace was active on which day, by the rule that the worker counts by."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime

from headcount.verify.distinct_users import DistinctUsers
from ingest.event import Event
from projector.audience import Audience
from projector.calendar import Calendar
from projector.fold import fold
from projector.keys import Counter
from projector.people import Naming


class Recount:
    """Counts the events of some days of one workspace into `users`, as of `now`, which is aware."""

    def __init__(
        self,
        workspace_id: str,
        days: Sequence[date],
        users: DistinctUsers,
        *,
        calendar: Calendar,
        people: Naming,
        now: datetime,
    ) -> None:
        self._workspace_id = workspace_id
        self._days = {Counter(workspace_id, day): day for day in days}
        self._users = users
        self._calendar = calendar
        self._people = people
        self._now = now

    def add(self, events: Iterable[Event]) -> None:
        own = [event for event in events if event.workspace_id == self._workspace_id]
        behind = _Unveiled(self._people)
        for addition in fold(own, self._calendar, behind, self._now).additions:
            if day := self._days.get(addition.counter):
                self._users.add(day, behind.user_ids(addition.users))

    def counts(self) -> dict[date, int]:
        """Return the number of distinct users of each day, 0 where there was none."""
        return dict.fromkeys(self._days.values(), 0) | self._users.counts()


class _Unveiled:
    """People whose pseudonyms tell who they are: the fold goes by these, a recount must not rest on them."""

    def __init__(self, people: Naming) -> None:
        self._people = people
        self._user_ids: defaultdict[str, set[str]] = defaultdict(set)

    @property
    def audience(self) -> Audience:
        return self._people.audience

    def of(self, workspace_id: str, user_ids: Iterable[str]) -> set[str]:
        found: set[str] = set()
        for user_id in user_ids:
            for pseudonym in self._people.of(workspace_id, [user_id]):
                self._user_ids[pseudonym].add(user_id)
                found.add(pseudonym)
        return found

    def user_ids(self, pseudonyms: Iterable[str]) -> Iterable[str]:
        """Return everybody behind the pseudonyms, also two who share one."""
        return (user_id for pseudonym in pseudonyms for user_id in self._user_ids[pseudonym])
