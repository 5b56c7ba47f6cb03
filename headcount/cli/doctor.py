"""`headcount doctor`: checks the setup and recommends changes."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Final

import typer

from headcount.cli.execution import FAILED, ask
from headcount.cli.output import AsJson, print_json, print_table
from headcount.ops.doctor.finding import Finding, Verdict
from headcount.ops.doctor.run import run_checks

SIGNS: Final[dict[Verdict, str]] = {
    "ok": "ok",
    "warning": "! warning",
    "problem": "! PROBLEM",
    "unknown": "? unknown",
}


def doctor(
    *,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 for warnings as well.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show only findings that are not ok.")] = False,
    json: AsJson = False,
) -> None:
    """Check Redis, Kafka, the counters and the settings, with advice for each problem.

    Nothing is written. Run it as the operator's Redis user with the settings of worker and API, which are
    checked as well. A check without a result is reported as unknown, with the reason. It takes at most 10
    seconds. Exit code: 0 without problems, 1 with problems; with --strict also 1 with warnings.

    Example: `headcount doctor --strict --json`
    """
    findings = ask(run_checks)
    counts = Counter(finding.verdict for finding in findings)
    if quiet:
        findings = [finding for finding in findings if finding.verdict != "ok"]
    if json:
        print_json({"counts": {verdict: counts[verdict] for verdict in SIGNS}, "findings": findings})
    elif findings:
        _print(findings, counts)
    if counts["problem"] or (strict and counts["warning"]):
        raise typer.Exit(FAILED)


def _print(findings: Sequence[Finding], counts: Counter[Verdict]) -> None:
    print_table(("", "check", "found"), [_row(finding) for finding in findings])
    typer.echo(", ".join(f"{verdict}: {counts[verdict]}" for verdict in SIGNS))


def _row(finding: Finding) -> tuple[str, str, str]:
    found = finding.found if finding.advice is None else f"{finding.found}\n-> {finding.advice}"
    return SIGNS[finding.verdict], finding.check, found
