"""The activity filter: which events count, by their type and by the type of their user."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from ingest.events.event import DEFAULT_USER_TYPE, Event


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityFilter:
    """The types of events and of users that are ignored; they are case-sensitive."""

    ignored_event_types: frozenset[str] = frozenset()
    ignored_user_types: frozenset[str] = frozenset()

    def of(self, events: Collection[Event]) -> Collection[Event]:
        """Return the events that count."""
        if not self.ignored_event_types and not self.ignored_user_types:
            return events  # the same collection: a deployment that ignores nothing pays nothing
        return [event for event in events if self._counts(event)]

    def fields(self) -> dict[str, str]:
        """Return the fields of the deployment that record it."""
        return {
            "ignored_event_types": _listed(self.ignored_event_types),
            "ignored_user_types": _listed(self.ignored_user_types),
        }

    def __str__(self) -> str:
        ignored = " and ".join(self._ignored())
        return f"All activity is counted except {ignored}." if ignored else "All activity is counted."

    def _ignored(self) -> Iterator[str]:
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
    """Read the recorded filter; without a record, all activity counts."""
    return ActivityFilter(
        ignored_event_types=_types(recorded.get("ignored_event_types", "")),
        ignored_user_types=_types(recorded.get("ignored_user_types", "")),
    )


def _types(listed: str) -> frozenset[str]:
    return frozenset(listed.split(",")) if listed else frozenset()


def _listed(types: Iterable[str]) -> str:
    return ",".join(sorted(types))
