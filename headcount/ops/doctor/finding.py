"""Facts that may be unknown, and the verdicts of checks on them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

T = TypeVar("T")
U = TypeVar("U")
Verdict = Literal["ok", "warning", "problem", "unknown"]


@dataclass(frozen=True, slots=True)
class Unknown:
    """A fact that could not be determined: the reason, and what to do about it, as sentences."""

    reason: str
    advice: str | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict on a fact. `advice` is None if the verdict is ok."""

    verdict: Verdict
    found: str
    advice: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A judgement and the name of its check."""

    check: str
    verdict: Verdict
    found: str
    advice: str | None


def ok(found: str) -> Judgement:
    """Return the verdict that no action is needed."""
    return Judgement("ok", found)


def warning(found: str, advice: str) -> Judgement:
    """Return the verdict on a risk: something may fail later, or be exposed or lost needlessly."""
    return Judgement("warning", found, advice)


def problem(found: str, advice: str) -> Judgement:
    """Return the verdict on something that is wrong now."""
    return Judgement("problem", found, advice)


def unknown(found: str, advice: str | None = None) -> Judgement:
    """Return the verdict on something that can't be determined."""
    return Judgement("unknown", found, advice)


def judged(check: str, fact: T | Unknown, judge: Callable[[T], Judgement]) -> Finding:
    """Apply a check to a fact; an unknown fact becomes an unknown finding."""
    if isinstance(fact, Unknown):
        judgement = unknown(f"Not checked: {fact.reason}", fact.advice)
    else:
        judgement = judge(fact)
    return Finding(check=check, verdict=judgement.verdict, found=judgement.found, advice=judgement.advice)


def together(one: T | Unknown, other: U | Unknown) -> tuple[T, U] | Unknown:
    """Pair two facts; the pair is unknown if either is."""
    if isinstance(one, Unknown):
        return one
    return other if isinstance(other, Unknown) else (one, other)


def part_of(fact: T | Unknown, pick: Callable[[T], U]) -> U | Unknown:
    """Return a part of a fact, or the unknown fact itself."""
    return fact if isinstance(fact, Unknown) else pick(fact)


def reached(server: str, answer: Unknown | None, advice: str) -> Finding:
    """Return the finding on whether a server answers: the only check for which no answer is a problem."""
    if isinstance(answer, Unknown):
        judgement = problem(f"It does not answer: {answer.reason}", answer.advice or advice)
    else:
        judgement = ok("It answers.")
    return Finding(check=server, verdict=judgement.verdict, found=judgement.found, advice=judgement.advice)
