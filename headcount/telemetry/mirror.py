"""A counter of the library that follows a tally of ours: other processes see only the library's."""

from collections import Counter as Counts
from collections.abc import Iterable, Mapping
from typing import Final, Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter

from headcount.telemetry.names import Metric

Label = TypeVar("Label", bound=str)


class Mirror(Generic[Label]):
    """Counts up what the tally has by label. Each of `labels` is there from the start, at 0."""

    def __init__(
        self, metric: Metric, stats: Mapping[Label, int], labels: Iterable[Label], registry: CollectorRegistry
    ) -> None:
        self._stats: Final = stats
        self._counter = Counter(metric.name, metric.counter_config, metric.labels, registry=registry)
        self._taken: Counts[Label] = Counts()
        for label in labels:
            self._counter.labels(label)

    def follow(self) -> None:
        """Take over what was counted since the last call."""
        for label, count in self._stats.items():
            self._counter.labels(label).inc(count - self._taken[label])
            self._taken[label] = count
