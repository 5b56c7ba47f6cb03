"""What is shipped for Prometheus and Grafana: held to the metrics that there are, and to compose.yaml."""

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest
from ruamel.yaml import YAML

from headcount.settings import Settings
from headcount.telemetry import names

ROOT: Final = Path(__file__).parents[2]
MONITORING: Final = ROOT / "monitoring"
SAMPLES: Final = {
    sample
    for metric in (*names.WORKER, *names.API)
    for sample in (
        [f"{metric.name}_{end}" for end in ("bucket", "sum", "count")]
        if metric.kind == "histogram"
        else [metric.name]
    )
}


def yaml(path: Path) -> Any:  # noqa: ANN401 - any document
    return YAML(typ="safe").load(path.read_text())


@pytest.fixture(scope="module")
def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml(MONITORING / "rules/headcount.yaml")["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    document = json.loads((MONITORING / "grafana/dashboards/headcount.json").read_text())
    return [panel for panel in document["panels"] if panel["type"] != "row"]


def metrics_in(expression: str) -> set[str]:
    return set(re.findall(r"\bheadcount_\w+", expression))


def test_rules_and_panels_ask_for_nothing_that_is_not_there(rules: list[dict[str, Any]]) -> None:
    recorded = {rule["record"] for rule in rules if "record" in rule}
    expressions = [rule["expr"] for rule in rules]
    expressions += [target["expr"] for panel in panels() for target in panel["targets"]]
    for expression in expressions:
        assert metrics_in(expression) <= SAMPLES, expression
        assert set(re.findall(r"\bheadcount:[\w:]+", expression)) <= recorded, expression


def test_the_dashboard_shows_every_metric(rules: list[dict[str, Any]]) -> None:
    recorded = {rule["record"]: rule["expr"] for rule in rules if "record" in rule}
    shown = " ".join(target["expr"] for panel in panels() for target in panel["targets"])
    shown += " ".join(expression for name, expression in recorded.items() if name in shown)
    assert [metric.name for metric in (*names.WORKER, *names.API) if metric.name not in shown] == []


def test_every_alert_says_what_is_wrong_and_where_to_read_on(rules: list[dict[str, Any]]) -> None:
    for alert in (rule for rule in rules if "alert" in rule):
        assert alert["labels"]["severity"] in {"warning", "critical"}
        assert alert["annotations"]["summary"].endswith(".")
        assert alert["annotations"]["runbook"] == f"docs/how-to/operate.md#alert-{alert['alert'].lower()}"


def test_the_runbook_has_a_section_for_each_alert_and_no_more(rules: list[dict[str, Any]]) -> None:
    runbook = (ROOT / "docs/how-to/operate.md").read_text()
    sections = re.findall(r"^### alert: (\w+)$", runbook, re.MULTILINE)
    assert sections == [rule["alert"] for rule in rules if "alert" in rule]


def test_every_alert_is_tested_to_fire_and_not_to_fire(rules: list[dict[str, Any]]) -> None:
    tests = [
        test
        for world in yaml(MONITORING / "rules/tests.yaml")["tests"]
        for test in world.get("alert_rule_test", [])
    ]
    alerts = {rule["alert"] for rule in rules if "alert" in rule}
    assert {test["alertname"] for test in tests if test["exp_alerts"]} == alerts
    assert {test["alertname"] for test in tests if not test["exp_alerts"]} == alerts


def test_every_expression_of_the_rules_keeps_deployments_apart(rules: list[dict[str, Any]]) -> None:
    for rule in rules:
        aggregations = re.findall(
            r"(?<!:)\b(?:sum|min|max|count|group)\b(?: by \(([\w, ]+)\))?", rule["expr"]
        )
        assert all("deployment" in labels for labels in aggregations), rule["expr"]
        assert aggregations or metrics_in(rule["expr"]) == set(), rule[
            "expr"
        ]  # what is recorded is aggregated


def test_every_panel_shows_one_deployment() -> None:
    document = json.loads((MONITORING / "grafana/dashboards/headcount.json").read_text())
    (variable,) = [each for each in document["templating"]["list"] if each["type"] == "query"]
    assert variable["name"] == "deployment"
    assert not variable["multi"]
    for panel in panels():
        for target in panel["targets"]:
            selectors = re.findall(r"\b(?:up|headcount[_:][\w:]+)(\{[^}]*\})?", target["expr"])
            assert selectors, target["expr"]
            assert all('deployment="$deployment"' in selector for selector in selectors), target["expr"]


def test_prometheus_gives_every_target_the_label_of_its_deployment() -> None:
    for job in yaml(MONITORING / "prometheus.yaml")["scrape_configs"]:
        assert [rule["target_label"] for rule in job["relabel_configs"]] == ["deployment"], job


def test_prometheus_scrapes_the_ports_that_are_open() -> None:
    jobs = yaml(MONITORING / "prometheus.yaml")["scrape_configs"]
    scraped = {job["job_name"]: job["dns_sd_configs"][0] for job in jobs}
    defaults = Settings()
    assert scraped["headcount-worker"]["port"] == defaults.worker_metrics_port
    assert scraped["headcount-api"]["port"] == defaults.api_metrics_port
    services = yaml(ROOT / "compose.yaml")["services"]
    assert services["worker"]["environment"]["WORKER_METRICS_PORT"] == str(defaults.worker_metrics_port)
    assert services["api"]["environment"]["API_METRICS_PORT"] == str(defaults.api_metrics_port)
    for name in ("worker", "api"):
        assert scraped[f"headcount-{name}"]["names"] == [name]
        assert services[name]["environment"]["METRICS_HOST"] == "0.0.0.0"
        assert "metrics" in services[name]["networks"]


def test_every_file_that_is_mounted_is_there() -> None:
    services = yaml(ROOT / "compose.yaml")["services"]
    mounts = [mount for name in ("prometheus", "grafana") for mount in services[name]["volumes"]]
    paths = [ROOT / mount.partition(":")[0] for mount in mounts if mount.startswith("./")]
    assert len(paths) == 4
    assert all(path.exists() for path in paths)
