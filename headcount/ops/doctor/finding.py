"""Facts that may be unknown, and the verdicts of checks on them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

T = TypeVar("T")
U = TypeVar("U")
Verdict = Literal["ok", "warning", "problem", "unknown"]


@dataclass(frozen=True, slots=True)
class Unknown:
    """Stands for a fact that could not be had, with a sentence why, and one what to do."""

    reason: str
    advice: str | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict on a fact. There is no advice where all is well."""

    verdict: Verdict
    found: str
    advice: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A judgement, and the name of the check that came to it."""

    check: str
    verdict: Verdict
    found: str
    advice: str | None


def ok(found: str) -> Judgement:
    """Say that nothing is to be done."""
    return Judgement("ok", found)


def warning(found: str, advice: str) -> Judgement:
    """Say what may harm later, or more than it needs to."""
    return Judgement("warning", found, advice)


def problem(found: str, advice: str) -> Judgement:
    """Say what is wrong now."""
    return Judgement("problem", found, advice)


def unknown(found: str, advice: str | None = None) -> Judgement:
    """Say why nothing can be said."""
    return Judgement("unknown", found, advice)


def judged(check: str, fact: T | Unknown, judge: Callable[[T], Judgement]) -> Finding:
    """Judge a fact; one that could not be had is passed on as it is."""
    if isinstance(fact, Unknown):
        judgement = unknown(f"Could not be checked: {fact.reason}", fact.advice)
    else:
        judgement = judge(fact)
    return Finding(check=check, verdict=judgement.verdict, found=judgement.found, advice=judgement.advice)


def together(one: T | Unknown, other: U | Unknown) -> tuple[T, U] | Unknown:
    """Pair two facts; nothing is known of the pair where one of them is unknown."""
    if isinstance(one, Unknown):
        return one
    return other if isinstance(other, Unknown) else (one, other)


def part_of(fact: T | Unknown, pick: Callable[[T], U]) -> U | Unknown:
    """Take something out of a fact, or pass on why it could not be had."""
    return fact if isinstance(fact, Unknown) else pick(fact)


def reached(server: str, answer: Unknown | None, advice: str) -> Finding:
    """Judge whether a server answers at all: the one check for which silence is a problem."""
    if isinstance(answer, Unknown):
        judgement = problem(f"It can't be asked: {answer.reason}", answer.advice or advice)
    else:
        judgement = ok("It answers.")
    return Finding(check=server, verdict=judgement.verdict, found=judgement.found, advice=judgement.advice)
