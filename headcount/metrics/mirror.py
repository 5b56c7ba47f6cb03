"""A counter of the library that follows a tally of ours: other processes see only the library's."""

from collections import Counter as Counts
from collections.abc import Iterable, Mapping
from typing import Final, Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter

from headcount.metrics.names import Metric

Label = TypeVar("Label", bound=str)


class Mirror(Generic[Label]):
    """Counts up what the tally has by label. Each of `labels` is there from the start, at 0."""

    def __init__(
        self, metric: Metric, tally: Mapping[Label, int], labels: Iterable[Label], registry: CollectorRegistry
    ) -> None:
        self._tally: Final = tally
        self._counter = Counter(metric.name, metric.meaning, metric.labels, registry=registry)
        self._taken: Counts[Label] = Counts()
        for label in labels:
            self._counter.labels(label)

    def follow(self) -> None:
        """Take over what was counted since the last call."""
        for label, count in self._tally.items():
            self._counter.labels(label).inc(count - self._taken[label])
            self._taken[label] = count
