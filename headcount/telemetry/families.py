"""Metrics with their values of one moment, in the library's form."""

from collections.abc import Mapping
from itertools import accumulate
from math import inf

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.utils import floatToGoString

from headcount.telemetry.names import Metric
from ingest.worker.histogram import Histogram


def counter(metric: Metric, value: float) -> CounterMetricFamily:
    """Return a counter without labels."""
    return CounterMetricFamily(metric.name, metric.counter_config, value=value)


def counters(metric: Metric, values: Mapping[str, float]) -> CounterMetricFamily:
    """Return a counter with a label, whose values these are."""
    family = CounterMetricFamily(metric.name, metric.counter_config, labels=metric.labels)
    for label, value in values.items():
        family.add_metric([label], value)
    return family


def gauge(metric: Metric, value: float | None) -> GaugeMetricFamily:
    """Return a gauge without labels, and without a sample where the value is None."""
    return GaugeMetricFamily(metric.name, metric.counter_config, value=value)


def gauges(metric: Metric, values: Mapping[tuple[str, ...], float | None]) -> GaugeMetricFamily:
    """Return a gauge with labels, and without samples where a value is None."""
    family = GaugeMetricFamily(metric.name, metric.counter_config, labels=metric.labels)
    for labels, value in values.items():
        if value is not None:
            family.add_metric(labels, value)
    return family


def histogram(metric: Metric, observed: Histogram) -> HistogramMetricFamily:
    """Return a histogram without labels: Prometheus' buckets hold what is in the smaller ones too."""
    bounds = map(floatToGoString, (*observed.bounds, inf))
    buckets = list(zip(bounds, accumulate(observed.counts), strict=True))
    return HistogramMetricFamily(metric.name, metric.counter_config, buckets=buckets, sum_value=observed.sum)
