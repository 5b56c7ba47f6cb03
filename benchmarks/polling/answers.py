"""Whether an answer is the right one: a fast wrong answer is worth nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import msgspec
from aiohttp import ClientSession

from benchmarks.people import Counts, WorkspaceDay
from benchmarks.polling.workspaces import TOLERANCE, window
from benchmarks.polling.wrk import Question


class WrongAnswerError(Exception):
    """A contestant does not answer, or answers something else than was counted."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status, headers, whose names have no case, and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def fetch(port: int, question: Question) -> Answer:
    """Ask once."""
    headers = {**question.headers, "accept-encoding": "identity"}  # as wrk, which asks for no compression
    async with (
        ClientSession(f"http://127.0.0.1:{port}") as session,
        session.get(question.path, headers=headers) as response,
    ):
        return Answer(response.status, response.headers, await response.read())


def expect(answer: Answer, counts: Counts, week: WorkspaceDay) -> None:
    """Raise `WrongAnswerError` unless it is the week of the workspace that ends with the day."""
    if answer.status != 200 or answer.headers.get("Content-Type") != "application/json":
        raise WrongAnswerError(f"answered {answer.status}: {answer.body[:200]!r}")
    found = {WorkspaceDay(week.workspace_id, _day(row)): row["users"] for row in _rows(answer.body)}
    days = [WorkspaceDay(week.workspace_id, day) for day in window(week.day)]
    due = {day: counts[day] for day in days}
    off = [day for day in due if abs(found.get(day, 0) - due[day]) > TOLERANCE * due[day]]
    if off or found.keys() != due.keys():
        raise WrongAnswerError(f"answered {found}, where {due} were counted")


def _rows(body: bytes) -> list[dict[str, int]]:
    document: dict[str, Any] = msgspec.json.decode(body)
    rows: list[dict[str, int]] = document["month"]
    return rows


def _day(row: Mapping[str, int]) -> date:
    return date(row["year"], row["month"], row["day"])
