"""A client of Redis for many who ask at once: what they ask goes out together, and is answered to each."""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import ConnectionPool, Redis
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

MOST_TOGETHER: Final = 64
"""How many commands are sent at once: Redis does them all before anybody else's, and answers them at once."""


@dataclass(slots=True, eq=False)
class Question:
    """A command as it goes over the wire, and the reply that is waited for until the loop's time is `due`."""

    packed: Sequence[bytes]
    due: float
    reply: asyncio.Future[Any]

    def answer(self, reply: object) -> None:
        """Hand the reply over, unless nobody waits any more."""
        if not self.reply.done():
            self.reply.set_result(reply)

    def fail(self, error: RedisError) -> None:
        if not self.reply.done():
            self.reply.set_exception(error)


class GatheringRedis(Redis):
    """Sends in one pipeline what is asked in one turn of the event loop, or while Redis answers what was.

    A pipeline costs hardly more than a command, so that under load each costs a fraction. It is no
    transaction: every command is done, and may fail, by itself. One connection serves them all; the pool is
    for a caller's own pipelines. Replies are due within `seconds`. Not for commands that block.
    """

    def __init__(self, pool: ConnectionPool, *, seconds: float) -> None:
        super().__init__(connection_pool=pool)
        self.auto_close_connection_pool = True
        self._seconds = seconds
        # Without a timeout for each read: a pipeline has one for all of it.
        self._connection = pool.connection_class(**{**pool.connection_kwargs, "socket_timeout": None})
        self._waiting: deque[Question] = deque()
        self._sending: asyncio.Task[None] | None = None

    def client(self) -> Redis:
        """Return a client that has a connection of the pool to itself, and gathers nothing."""
        return Redis(connection_pool=self.connection_pool, single_connection_client=True)

    async def execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - redis-py's signature
        """Ask, and wait for the reply; raises what redis-py does."""
        reply = await self._ask(self._connection.pack_command(*args))
        options.pop("keys", None)  # those are for a cache of redis-py's, which is off
        callback = self.response_callbacks.get(args[0])
        return reply if callback is None else callback(reply, **options)

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: FBT001 - redis-py's own
        await self._connection.disconnect()
        await super().aclose(close_connection_pool)

    async def _ask(self, packed: Sequence[bytes]) -> object:
        loop = asyncio.get_running_loop()
        question = Question(packed, loop.time() + self._seconds, loop.create_future())
        self._waiting.append(question)
        if self._sending is None:
            # A new task runs after all that is ready already: whoever asks in this turn has asked by then.
            self._sending = loop.create_task(self._send())
        return await question.reply

    async def _send(self) -> None:
        try:
            while questions := self._take():
                await self._exchange(questions)
        finally:
            self._sending = None

    def _take(self) -> Sequence[Question]:
        taken: list[Question] = []
        while self._waiting and len(taken) < MOST_TOGETHER:
            question = self._waiting.popleft()
            if not question.reply.done():
                taken.append(question)
        return taken

    async def _exchange(self, questions: Sequence[Question]) -> None:
        try:
            # The first has waited longest.
            async with asyncio.timeout_at(questions[0].due):
                await self._converse(questions)
        except TimeoutError:
            _fail(questions, RedisTimeoutError("Redis did not answer in time"))
        except RedisError as error:
            _fail(questions, error)

    async def _converse(self, questions: Sequence[Question]) -> None:
        await self.connection_pool.ensure_connection(self._connection)
        await self._connection.send_packed_command([part for each in questions for part in each.packed])
        for question in questions:
            try:
                # Whatever else it raises closes the connection: no late reply is taken for another's.
                question.answer(await self._connection.read_response())
            except ResponseError as error:
                question.fail(error)


def _fail(questions: Iterable[Question], error: RedisError) -> None:
    for question in questions:
        question.fail(error)
