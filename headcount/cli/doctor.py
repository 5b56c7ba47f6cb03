"""`headcount doctor`: what is set up so that it loses, shows or stops something, and what to do about it."""

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
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 where there are warnings, too.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Show only what is not ok; nothing where all is.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Check Redis, Kafka, the counting and these settings, and say what to do about what is wrong.

    Nothing is written anywhere. Run it as the operator's Redis user, with the other settings of worker and
    API: those are judged as well. What can't be found out is unknown, with the reason. It takes 10 seconds
    at most. Exit code: 0 without a problem, 1 with one; with --strict also 1 with a warning.

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
