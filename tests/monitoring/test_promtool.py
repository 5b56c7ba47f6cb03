"""The files for Prometheus, through its own tool: the configuration, and the tests of the rules."""

from tests.monitoring.conftest import promtool
from tests.monitoring.surroundings import MONITORING


def test_the_configuration_and_the_rules_are_valid() -> None:
    assert "SUCCESS" in promtool("check", "config", str(MONITORING / "prometheus.yaml"))


def test_the_rules_do_what_their_tests_say() -> None:
    assert "SUCCESS" in promtool("test", "rules", str(MONITORING / "rules/tests.yaml"))
