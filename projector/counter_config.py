"""The configuration of the counters: two counts of the same log with the same configuration are equal."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from projector.activity_filter import COUNT_ALL
from projector.calendar import Calendar
from projector.counted_users import REVISION
from projector.deployment import Change, Deployment, retention_fields

COUNTED_REVISION: Final = "without"
"""The field of the deployment with the revision of the list by which the live generation was counted."""


def is_list_outdated(recorded: Mapping[str, str]) -> bool:
    """Return whether the live counters may contain forgotten or lack remembered users."""
    return recorded.get(REVISION, "0") != recorded.get(COUNTED_REVISION, "0")


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterConfig:
    """The deployment, the calendar, and the revision of the list of forgotten users."""

    deployment: Deployment
    calendar: Calendar
    revision: int

    def fields(self) -> dict[str, str]:
        """Return the fields of the deployment that record it."""
        return {**self.deployment.fields(), **self._retention(), COUNTED_REVISION: str(self.revision)}

    def changes_of(self, recorded: Mapping[str, str]) -> list[Change]:
        """Return the changes relative to the recorded fields."""
        # Older versions did not record the retention: an unknown value is no change.
        before = {**COUNT_ALL.fields(), **self._retention(), COUNTED_REVISION: "0", **recorded}
        return [
            Change(field, before.get(field), value)
            for field, value in self.fields().items()
            if before.get(field) != value
        ]

    def of_generation(self, number: int, topic_id: str | None) -> bytes:
        """Return the document that identifies a count, so that an interrupted one can be resumed."""
        return msgspec.json.encode({**self.fields(), "generation": number, "topic_id": topic_id})

    def _retention(self) -> dict[str, str]:
        return retention_fields(self.calendar.retention_days, self.calendar.bucket_retention_days)
