"""The audience: whose activity counts, and which activity, by the types that events tell."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from ingest.events.event import DEFAULT_USER_TYPE, Event


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityFilter:
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

    def __str__(self) -> str:
        without = " and without ".join(self._left_out())
        return f"Everybody counts, without {without}." if without else "Everybody counts."

    def _left_out(self) -> Iterator[str]:
        if self.ignored_event_types:
            yield f"events of type {_listed(self.ignored_event_types)}"
        if self.ignored_user_types:
            yield f"users of type {_listed(self.ignored_user_types)}"

    def _counts(self, event: Event) -> bool:
        if event.type in self.ignored_event_types:
            return False
        return (event.user_type or DEFAULT_USER_TYPE) not in self.ignored_user_types


COUNT_ALL: Final = ActivityFilter()


def read_activity_filter(recorded: Mapping[str, str]) -> ActivityFilter:
    """Read what was recorded; where nothing was, everybody counts."""
    return ActivityFilter(
        ignored_event_types=_types(recorded.get("ignored_event_types", "")),
        ignored_user_types=_types(recorded.get("ignored_user_types", "")),
    )


def _types(listed: str) -> frozenset[str]:
    return frozenset(listed.split(",")) if listed else frozenset()


def _listed(types: Iterable[str]) -> str:
    return ",".join(sorted(types))
