"""The turns: each contestant is asked under full load, one after the other, round by round."""

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Final

from benchmarks.polling.answers import WrongAnswerError, expect, fetch
from benchmarks.polling.contestants import Contestant
from benchmarks.polling.figures import Turn
from benchmarks.polling.stage import Stage
from benchmarks.polling.wrk import Load, ask, write_questions

WARM_UP_SECONDS: Final = 1
_CHECKED: Final = slice(None, None, 997)
"""The questions of which the answers are looked at: of many, some of each window."""


class FailedTurnError(Exception):
    """A turn of which no figure is to be believed."""


async def warm_up(stage: Stage, contestants: Iterable[Contestant]) -> None:
    """Hold each one's answers to what was counted; let it open its connections, and Python specialise."""
    for contestant in contestants:
        await _check_answers(stage, contestant)
        await _turn(stage, contestant, WARM_UP_SECONDS)


async def take_turns(stage: Stage, contestants: Iterable[Contestant], *, seconds: int) -> Sequence[Turn]:
    """Run one round."""
    return [await _turn(stage, contestant, seconds) for contestant in contestants]


async def _check_answers(stage: Stage, contestant: Contestant) -> None:
    for week, question in list(contestant.asked.items())[_CHECKED]:
        answer = await fetch(contestant.server.port, question)
        if answer.status != contestant.status:
            raise WrongAnswerError(f"{contestant.name} answered {answer.status}: {answer.body[:200]!r}")
        if answer.status == HTTPStatus.OK:
            expect(answer, stage.counts, week)


async def _turn(stage: Stage, contestant: Contestant, seconds: int) -> Turn:
    questions = stage.folder / "questions"
    write_questions(questions, contestant.asked.values())
    before = contestant.server.cpu_seconds()
    load = await ask(contestant.server.port, questions, seconds)
    taken = contestant.server.cpu_seconds() - before
    _check_load(contestant, load)
    return Turn(contestant.name, load, taken)


def _check_load(contestant: Contestant, load: Load) -> None:
    if load.failures:
        raise FailedTurnError(f"{contestant.name}: {load.failures} of {load.requests} requests failed")
    if 1 < len(contestant.asked) < load.requests_per_second:
        raise FailedTurnError(f"{contestant.name}: questions came again within a second; there must be more")
