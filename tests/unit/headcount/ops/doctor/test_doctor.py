"""The doctor as a whole: what one unknown fact does, what is printed, and how it exits."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import fields, replace

import pytest
from redis.exceptions import NoPermissionError
from typer.testing import CliRunner, Result

from headcount.cli import app
from headcount.cli import doctor as command
from headcount.ops.doctor.finding import Finding, Unknown, Verdict
from headcount.ops.doctor.kafka import KafkaFacts
from headcount.ops.doctor.probing import RIGHTS_ADVICE, Prober
from headcount.ops.doctor.redis import RedisFacts
from headcount.ops.doctor.run import judge
from headcount.wiring import Config
from ingest.errors import UnavailableError
from tests.support.doctor_facts import facts, kafka_facts, redis_facts, server

REASON = Unknown("not readable.", "Ask.")
NOWHERE = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "REDIS_URL": "redis://:hunter2@127.0.0.1:1/0"}


def verdicts(findings: Sequence[Finding]) -> dict[str, str]:
    return {finding.check: finding.verdict for finding in findings}


def test_a_deployment_that_is_well_has_only_ok_findings_and_no_advice() -> None:
    findings = judge(facts())
    assert set(verdicts(findings).values()) == {"ok"}
    assert {finding.advice for finding in findings} == {None}
    assert len(verdicts(findings)) == len(findings)


@pytest.mark.parametrize("name", [each.name for each in fields(RedisFacts)])
def test_a_fact_of_redis_that_is_unknown_leaves_only_its_checks_unknown(name: str) -> None:
    assert_partly_unknown(judge(facts(redis=redis_facts(**{name: REASON}))))


@pytest.mark.parametrize("name", [each.name for each in fields(KafkaFacts)])
def test_a_fact_of_kafka_that_is_unknown_leaves_only_its_checks_unknown(name: str) -> None:
    assert_partly_unknown(judge(facts(kafka=kafka_facts(**{name: REASON}))))


def assert_partly_unknown(findings: Sequence[Finding]) -> None:
    told = [finding for finding in findings if "not readable." in finding.found]
    assert 1 <= len(told) <= 10
    assert {finding.advice for finding in told} == {"Ask."}
    assert {finding.verdict for finding in findings if finding not in told} == {"ok"}


def test_a_server_out_of_reach_is_one_problem_and_unknown_otherwise() -> None:
    silent = facts(redis=RedisFacts.out_of_reach(REASON), kafka=KafkaFacts.out_of_reach(REASON))
    findings = judge(silent)
    assert [each.check for each in findings if each.verdict == "problem"] == ["Redis", "Kafka"]
    assert sorted(each.check for each in findings if each.verdict == "ok") == [
        "API encryption",
        "API limits",
        "Kafka encryption",
        "Redis encryption",
        "metrics",
        "trusted proxies",
    ]


def test_every_finding_that_is_not_well_says_what_to_do() -> None:
    for finding in judge(facts(redis=redis_facts(server=server(eviction_policy="x"), tokens=[]))):
        assert bool(finding.advice) == (finding.verdict != "ok")


async def test_a_probe_ends_with_the_deadline() -> None:
    found = await Prober(0.01).probe(asyncio.Event().wait())
    assert found == Unknown("no answer within 0.01 s.")


async def test_a_probe_that_fails_is_reported_and_leaves_the_next_alone() -> None:
    prober = Prober(9)
    assert await prober.probe(fail(UnavailableError("away."))) == Unknown("away.")
    refused = await prober.probe(fail(NoPermissionError("no right to run 'info'")))
    assert refused == Unknown("no right to run 'info'.", RIGHTS_ADVICE)
    assert await prober.probe(asyncio.sleep(0, "answer")) == "answer"


async def test_what_is_no_answer_of_a_server_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        await Prober(9).probe(fail(ZeroDivisionError()))


async def fail(error: Exception) -> None:
    raise error


def call(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1", **NOWHERE}).invoke(app, ["doctor", *arguments])


def finding(verdict: Verdict) -> Finding:
    (found, *_) = judge(facts())
    return replace(found, verdict=verdict, advice=None if verdict == "ok" else "Fix it.")


@pytest.mark.parametrize(
    ("verdict", "exit_code", "strict_exit_code"),
    [("ok", 0, 0), ("unknown", 0, 0), ("warning", 0, 1), ("problem", 1, 1)],
)
def test_the_exit_code_reports_problems_and_if_strict_warnings(
    monkeypatch: pytest.MonkeyPatch, verdict: Verdict, exit_code: int, strict_exit_code: int
) -> None:
    async def run_checks(_config: Config) -> Sequence[Finding]:
        return [finding("ok"), finding(verdict)]

    monkeypatch.setattr(command, "run_checks", run_checks)
    assert call().exit_code == exit_code
    assert call("--strict").exit_code == strict_exit_code


def test_servers_that_are_down_are_reported_without_a_traceback_or_a_secret() -> None:
    shown, scripted = call(), call("--json")
    assert (shown.exit_code, scripted.exit_code) == (1, 1)
    assert (shown.stderr, scripted.stderr) == ("", "")
    assert "hunter2" not in shown.output + scripted.output
    assert "! PROBLEM\tRedis\t" in shown.output
    assert "-> Check KAFKA_BOOTSTRAP_SERVERS (127.0.0.1:1)" in shown.output
    document = json.loads(scripted.stdout)
    assert document["counts"]["problem"] == 2
    assert set(document["findings"][0]) == {"check", "verdict", "found", "advice"}


def test_the_help_has_an_example() -> None:
    assert "Example: headcount doctor" in call("--help").output.replace("`", "")
