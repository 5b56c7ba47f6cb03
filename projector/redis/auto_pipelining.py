"""A client of Redis for many who ask at once: what they ask goes out together, and is answered to each."""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
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


class AutoPipeliningRedis(Redis):
    """Sends in one pipeline what is asked in the same turn of the event loop.

    A pipeline costs hardly more than a command, so that under load each costs a fraction. It is no
    transaction: every command is done, and may fail, by itself. Replies are due within `seconds`. While all
    its `connections` are in use, what is asked waits for one. They are beside those of the pool, which are
    for a caller's own pipelines. Not for commands that block.
    """

    def __init__(self, pool: ConnectionPool, *, connections: int, seconds: float) -> None:
        super().__init__(connection_pool=pool)
        self.auto_close_connection_pool = True
        self._seconds = seconds
        # Without a timeout for each read: a pipeline has one for all of it.
        options = {**pool.connection_kwargs, "socket_timeout": None}
        self._connections = [pool.connection_class(**options) for _ in range(connections)]
        self._idle = list(self._connections)
        self._waiting: deque[Question] = deque()
        self._is_gathering = False
        self._sending: set[asyncio.Task[None]] = set()

    def client(self) -> Redis:
        """Return a client that has a connection of the pool to itself, and gathers nothing."""
        return Redis(connection_pool=self.connection_pool, single_connection_client=True)

    async def execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - redis-py's signature
        """Ask, and wait for the reply; raises what redis-py does."""
        reply = await self._ask(self._connections[0].pack_command(*args))
        options.pop("keys", None)  # those are for a cache of redis-py's, which is off
        callback = self.response_callbacks.get(args[0])
        return reply if callback is None else callback(reply, **options)

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: FBT001 - redis-py's own
        for connection in self._connections:
            await connection.disconnect()
        await super().aclose(close_connection_pool)

    async def _ask(self, packed: Sequence[bytes]) -> object:
        loop = asyncio.get_running_loop()
        question = Question(packed, loop.time() + self._seconds, loop.create_future())
        self._waiting.append(question)
        if self._idle and not self._is_gathering:
            self._is_gathering = True
            # A new task runs after all that is ready already: whoever asks in this turn has asked by then.
            task = loop.create_task(self._send(self._idle.pop()))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        return await question.reply

    async def _send(self, connection: AbstractConnection) -> None:
        self._is_gathering = False
        try:
            while questions := self._take():
                await self._exchange(connection, questions)
        finally:
            self._idle.append(connection)

    def _take(self) -> Sequence[Question]:
        taken: list[Question] = []
        while self._waiting and len(taken) < MOST_TOGETHER:
            question = self._waiting.popleft()
            if not question.reply.done():
                taken.append(question)
        return taken

    async def _exchange(self, connection: AbstractConnection, questions: Sequence[Question]) -> None:
        try:
            # The first has waited longest.
            async with asyncio.timeout_at(questions[0].due):
                await self.connection_pool.ensure_connection(connection)
                await _converse(connection, questions)
        except TimeoutError:
            _fail(questions, RedisTimeoutError("Redis did not answer in time"))
        except RedisError as error:
            _fail(questions, error)


async def _converse(connection: AbstractConnection, questions: Sequence[Question]) -> None:
    await connection.send_packed_command([part for each in questions for part in each.packed])
    for question in questions:
        try:
            # Whatever else it raises closes the connection: no late reply is taken for another's.
            question.answer(await connection.read_response())
        except ResponseError as error:
            question.fail(error)


def _fail(questions: Iterable[Question], error: RedisError) -> None:
    for question in questions:
        question.fail(error)
