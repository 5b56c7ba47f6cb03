"""The audience: whose activity counts, and which activity, by the types that events tell."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from ingest.event import DEFAULT_USER_TYPE, Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """The types of events, and of the users in them, that are left out; letters count as they are written."""

    ignored_event_types: frozenset[str] = frozenset()
    ignored_user_types: frozenset[str] = frozenset()

    def of(self, events: Collection[Event]) -> Collection[Event]:
        """Return the events that count."""
        if not self.ignored_event_types and not self.ignored_user_types:
            return events  # the very same: a deployment that leaves out nothing pays nothing
        return [event for event in events if self._counts(event)]

    def fields(self) -> dict[str, str]:
        """Return what is recorded of it."""
        return {
            "ignored_event_types": _listed(self.ignored_event_types),
            "ignored_user_types": _listed(self.ignored_user_types),
        }

    def _counts(self, event: Event) -> bool:
        if event.type in self.ignored_event_types:
            return False
        return (event.user_type or DEFAULT_USER_TYPE) not in self.ignored_user_types


EVERYBODY: Final = Audience()


def _listed(types: Iterable[str]) -> str:
    return ",".join(sorted(types))
