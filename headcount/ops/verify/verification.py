"""The verification: reads the answers, then recounts the log that they were computed from.

The answers are read first, together with their checkpoints, at which the recount ends. Events that workers
count in the meantime are in neither, so that today's number can be verified, too.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from headcount.clients import worker_redis
from headcount.ops.log_check import (
    check_log_holds,
    check_same_people,
    check_unmoved,
    lost_until,
    read_counted,
)
from headcount.ops.log_scope import CountedEvents, Scope, scope_of
from headcount.ops.verify.answers import Answers, read_answers
from headcount.ops.verify.recount import DistinctUsers, Recount
from headcount.ops.verify.report import Report, judge, verdict
from headcount.preflight.connections import open_log
from headcount.wiring import Config, calendar, counted_users, utc_now
from ingest.events.decoding import RecordDecoder
from ingest.kafka.log_reader import LogReader
from projector.checkpoints import read_progress
from projector.counted_users import CountedUsers, read_counted_users
from projector.redis import Redis
from projector.views.daily import RedisView


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Some days of a workspace, as of an aware instant."""

    workspace_id: str
    days: Sequence[date]
    now: datetime
    counted_users: CountedUsers


class Verification:
    """One verification; `events` reports its progress."""

    def __init__(
        self,
        question: Question,
        answers: Answers,
        scope: Scope,
        *,
        config: Config,
        redis: Redis,
        log: LogReader,
    ) -> None:
        decoder = RecordDecoder(max_event_bytes=config.counting.max_event_bytes)
        self.events = CountedEvents(scope, log=log, decoder=decoder, clock=utc_now)
        self._question = question
        self._answers = answers
        self._scope = scope
        self._config = config
        self._redis = redis
        self._log = log

    async def report(self) -> Report:
        """Recount and compare; raises `UnavailableError`, `UnreadableError`."""
        lost = await lost_until(self._log, self._scope.gaps, self._question.now)
        last_lost = None if lost is None else calendar(self._config).date_of(lost)
        with DistinctUsers() as users:
            recount = self._recount_into(users)
            async for batch in self.events.batches():
                recount.add(batch.events)
            days = judge(recount.counts(), self._answers.days, lost_until=last_lost)
        await check_unmoved(self._scope.progress, self._redis)
        return Report(
            workspace_id=self._question.workspace_id,
            time_zone=self._config.counting.time_zone.key,
            as_of=self._answers.as_of,
            within=verdict(days),
            records=self.events.records,
            lost_until=last_lost,
            days=days,
        )

    def _recount_into(self, users: DistinctUsers) -> Recount:
        return Recount(
            self._question.workspace_id,
            self._question.days,
            users,
            calendar=calendar(self._config),
            counted_users=self._question.counted_users,
            now=self._question.now,
        )


@asynccontextmanager
async def open_verification(
    config: Config, workspace_id: str, number_of_days: int
) -> AsyncIterator[Verification]:
    """Read the answers of the last days, including today, and prepare the recount.

    Raises `OperatorError` if nothing was counted, and `UnavailableError` while the API has no answer.
    """
    question = _question(config, workspace_id, number_of_days)
    async with worker_redis(config) as redis:
        await read_counted(config, redis)
        view = RedisView(redis, time_zone=config.counting.time_zone.key)
        answers = await read_answers(view, lambda: read_progress(redis), workspace_id, question.days)
        # The log is opened after the answers are read, so that it holds all of their events.
        async with open_log(config, config.kafka.topic) as log:
            check_log_holds(log, answers.progress)
            scope = await scope_of(answers.progress, redis, log)
            counted = await read_counted_users(redis, counted_users(config))
            await check_same_people(scope.progress, redis)
            question = replace(question, counted_users=counted)
            yield Verification(question, answers, scope, config=config, redis=redis, log=log)


def last_days(number: int, today: date) -> list[date]:
    """Return so many days, of which today is the last."""
    return [today - timedelta(days=ago) for ago in reversed(range(number))]


def _question(config: Config, workspace_id: str, number_of_days: int) -> Question:
    now = utc_now()
    today = now.astimezone(config.counting.time_zone).date()
    return Question(
        workspace_id=workspace_id,
        days=last_days(number_of_days, today),
        now=now,
        counted_users=counted_users(config),
    )
