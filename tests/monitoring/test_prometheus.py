"""What Prometheus is given, through a real Prometheus: the metrics, the rules and the dashboard."""

import json
import re
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.monitoring.conftest import promtool
from tests.monitoring.surroundings import MONITORING, Prometheus, Watched
from tests.support.scrapes import scrape

pytestmark = pytest.mark.asyncio(loop_scope="module")


def rules() -> list[dict[str, Any]]:
    groups = YAML(typ="safe").load((MONITORING / "rules/headcount.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard_queries() -> list[str]:
    """Return what Grafana would ask, over the last minute."""
    dashboard = json.loads((MONITORING / "grafana/dashboards/headcount.json").read_text())
    targets = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    variables = {"$__rate_interval": "1m", "$deployment": "headcount"}
    for variable, value in variables.items():
        targets = [expression.replace(variable, value) for expression in targets]
    return targets


async def test_promtool_finds_nothing_wrong_with_the_metrics(watched: Watched) -> None:
    for url in (watched.worker_metrics, watched.api_metrics):
        text = (await scrape(url.removesuffix("/metrics"))).text
        assert promtool("check", "metrics", text=text) == ""


async def test_both_are_scraped(prometheus: Prometheus) -> None:
    up = {sample["metric"]["job"]: sample["value"][1] for sample in await prometheus.query("up")}
    assert up == {"headcount-worker": "1", "headcount-api": "1"}


async def test_every_query_of_the_dashboard_returns_data(prometheus: Prometheus) -> None:
    queries = dashboard_queries()
    assert len(queries) > 30
    assert [query for query in queries if not await prometheus.query(query)] == []


async def test_everything_recorded_is_there(prometheus: Prometheus) -> None:
    names = [rule["record"] for rule in rules() if "record" in rule]
    assert [name for name in names if not await prometheus.query(name)] == []


async def test_every_rule_is_evaluated_without_an_error(prometheus: Prometheus) -> None:
    groups = (await prometheus.ask("rules"))["groups"]
    evaluated = {
        rule["name"]: (rule["health"], rule.get("lastError")) for each in groups for rule in each["rules"]
    }
    names = {rule.get("alert") or rule.get("record") for rule in rules()}
    assert evaluated == dict.fromkeys(names, ("ok", None))


async def test_every_alert_asks_for_what_is_there(prometheus: Prometheus) -> None:
    """Most of them return nothing while all is well; each series that they look at must be there even so."""
    for alert in (rule for rule in rules() if "alert" in rule):
        series = set(re.findall(r"\b(?:headcount[\w:]+(?:\{[^}]*\})?|up\{[^}]*\})", alert["expr"]))
        assert series, alert["alert"]
        assert [each for each in series if not await prometheus.query(each)] == [], alert["alert"]


async def test_only_records_that_are_not_counted_raise_an_alert(prometheus: Prometheus) -> None:
    alerts = (await prometheus.ask("alerts"))["alerts"]
    firing = {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}
    assert firing == {"HeadcountDeadLetters", "HeadcountExpiredEvents"}
