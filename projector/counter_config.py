"""The meaning of the counters: two counts of the same log under the same meaning are equal."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from projector.activity_filter import COUNT_ALL
from projector.calendar import Calendar
from projector.counted_users import REVISION
from projector.deployment import Change, Deployment, retention_fields

COUNTED_REVISION: Final = "without"
"""The field of the deployment that says by which list of forgotten people the live generation was counted."""


def is_list_outdated(recorded: Mapping[str, str]) -> bool:
    """Tell whether the live counters may hold forgotten people, or lack remembered ones, until a rebuild."""
    return recorded.get(REVISION, "0") != recorded.get(COUNTED_REVISION, "0")


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterConfig:
    """What is counted, and how. `revision` is that of the list of forgotten people."""

    deployment: Deployment
    calendar: Calendar
    revision: int

    def fields(self) -> dict[str, str]:
        """Return what is recorded of it beside the counters."""
        return {**self.deployment.fields(), **self._retention(), COUNTED_REVISION: str(self.revision)}

    def changes_of(self, recorded: Mapping[str, str]) -> list[Change]:
        """Return what is not as it was for the counters whose record is given."""
        # Older versions did not record the retention: what is not known is no difference.
        before = {**COUNT_ALL.fields(), **self._retention(), COUNTED_REVISION: "0", **recorded}
        return [
            Change(field, before.get(field), value)
            for field, value in self.fields().items()
            if before.get(field) != value
        ]

    def of_generation(self, number: int, topic_id: str | None) -> bytes:
        """Return what tells a count that was interrupted from one of anything else."""
        return msgspec.json.encode({**self.fields(), "generation": number, "topic_id": topic_id})

    def _retention(self) -> dict[str, str]:
        return retention_fields(self.calendar.retention_days, self.calendar.bucket_retention_days)
