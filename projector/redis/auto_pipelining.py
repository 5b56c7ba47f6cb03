"""A Redis client that sends concurrent commands together, in one pipeline."""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

MAX_PIPELINE: Final = 64
"""The most commands in one pipeline: Redis runs them all before it serves another client."""


@dataclass(slots=True, eq=False)
class PendingCommand:
    """A command as it goes over the wire, and its reply, which is due at `deadline` on the loop's clock."""

    packed: Sequence[bytes]
    deadline: float
    reply: asyncio.Future[Any]

    def resolve(self, reply: object) -> None:
        """Set the reply, unless the caller was cancelled."""
        if not self.reply.done():
            self.reply.set_result(reply)

    def fail(self, error: RedisError) -> None:
        if not self.reply.done():
            self.reply.set_exception(error)


class AutoPipeliningRedis(Redis):
    """Sends the commands of one iteration of the event loop in one pipeline.

    A pipeline costs hardly more than a single command, so that under load a command costs a fraction. It is
    no transaction: each command runs, and may fail, by itself. A reply that takes longer than `seconds` is a
    timeout. While all `connections` are in use, commands wait for one. These connections are not part of the
    pool, which serves the caller's own pipelines. Not for commands that block.
    """

    def __init__(self, pool: ConnectionPool, *, connections: int, seconds: float) -> None:
        super().__init__(connection_pool=pool)
        self.auto_close_connection_pool = True
        self._seconds = seconds
        # Without a timeout for each read: there is one for the whole pipeline.
        options = {**pool.connection_kwargs, "socket_timeout": None}
        self._connections = [pool.connection_class(**options) for _ in range(connections)]
        self._idle = list(self._connections)
        self._pending: deque[PendingCommand] = deque()
        self._is_send_scheduled = False
        self._sending: set[asyncio.Task[None]] = set()

    def client(self) -> Redis:
        """Return a client that has a connection of the pool to itself, and does not pipeline by itself."""
        return Redis(connection_pool=self.connection_pool, single_connection_client=True)

    async def execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - redis-py's signature
        """Send a command and return its reply; raises what redis-py raises."""
        reply = await self._submit(self._connections[0].pack_command(*args))
        options.pop("keys", None)  # used by redis-py's client-side cache, which is off
        callback = self.response_callbacks.get(args[0])
        return reply if callback is None else callback(reply, **options)

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: FBT001 - redis-py's own
        for connection in self._connections:
            await connection.disconnect()
        await super().aclose(close_connection_pool)

    async def _submit(self, packed: Sequence[bytes]) -> object:
        loop = asyncio.get_running_loop()
        command = PendingCommand(packed, loop.time() + self._seconds, loop.create_future())
        self._pending.append(command)
        if self._idle and not self._is_send_scheduled:
            self._is_send_scheduled = True
            # A new task runs after every callback that is ready now: their commands are in the same pipeline.
            task = loop.create_task(self._send(self._idle.pop()))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        return await command.reply

    async def _send(self, connection: AbstractConnection) -> None:
        self._is_send_scheduled = False
        try:
            while commands := self._next_pipeline():
                await self._exchange(connection, commands)
        finally:
            self._idle.append(connection)

    def _next_pipeline(self) -> Sequence[PendingCommand]:
        commands: list[PendingCommand] = []
        while self._pending and len(commands) < MAX_PIPELINE:
            command = self._pending.popleft()
            if not command.reply.done():
                commands.append(command)
        return commands

    async def _exchange(self, connection: AbstractConnection, commands: Sequence[PendingCommand]) -> None:
        try:
            # The first one has waited longest.
            async with asyncio.timeout_at(commands[0].deadline):
                await self.connection_pool.ensure_connection(connection)
                await connection.send_packed_command([part for each in commands for part in each.packed])
                await _read_replies(connection, commands)
        except TimeoutError:
            _fail(commands, RedisTimeoutError("Redis did not reply in time"))
        except RedisError as error:
            _fail(commands, error)


async def _read_replies(connection: AbstractConnection, commands: Iterable[PendingCommand]) -> None:
    for command in commands:
        try:
            # Any other error closes the connection: a late reply is never taken for that of another command.
            command.resolve(await connection.read_response())
        except ResponseError as error:
            command.fail(error)


def _fail(commands: Iterable[PendingCommand], error: RedisError) -> None:
    for command in commands:
        command.fail(error)
