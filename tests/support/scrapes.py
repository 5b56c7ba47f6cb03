"""What a scrape tells: the exposed text, read with the library's own parser."""

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import ClientSession
from prometheus_client import Metric as Family
from prometheus_client.parser import text_string_to_metric_families

from headcount.telemetry.names import Metric

Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Scrape:
    """`kinds` has every metric by its full name, `labels` the names of its labels where it has samples."""

    text: str
    kinds: Mapping[str, str]
    labels: Mapping[str, frozenset[str]]
    samples: Mapping[tuple[str, Labels], float]

    def value(self, name: str, **labels: str) -> float | None:
        """Return a sample's value, None where there is no such sample."""
        return self.samples.get((name, frozenset(labels.items())))


def read_scrape(text: str) -> Scrape:
    """Read the text form."""
    families = list(text_string_to_metric_families(text))
    return Scrape(
        text=text,
        kinds={_full_name(each): each.type for each in families},
        labels={
            _full_name(each): frozenset(
                label for sample in each.samples for label in sample.labels if label != "le"
            )
            for each in families
            if each.samples
        },
        samples={
            (sample.name, frozenset(sample.labels.items())): sample.value
            for each in families
            for sample in each.samples
        },
    )


def _full_name(family: Family) -> str:
    """Return the name as it was shown: the parser takes the end off a counter's."""
    return family.name + ("_total" if family.type == "counter" else "")


async def scrape(url: str) -> Scrape:
    """Ask a port for its metrics."""
    async with ClientSession() as session, session.get(f"{url}/metrics") as response:
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/plain; version=")
        return read_scrape(await response.text())


def assert_shows(shown: Scrape, wanted: tuple[Metric, ...]) -> None:
    """Hold a scrape to the metrics wanted, their kinds and labels, and to no others."""
    assert shown.kinds == {metric.name: metric.kind for metric in wanted}
    for metric in wanted:
        assert shown.labels.get(metric.name, frozenset(metric.labels)) == frozenset(metric.labels), (
            metric.name
        )
