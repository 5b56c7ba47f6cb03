"""Questions to the live counters: what is asked in the same turn of the loop travels to Redis together."""

import asyncio
from collections.abc import Sequence
from datetime import date
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

from projector import keys, scripts

Question = tuple[int, str, Sequence[date]]
"""The generation that is thought to be live, and the days that are asked for, of a workspace by its id."""
Reply = Any
"""What the script returns: None where another generation is live."""


class Questions:
    """Runs the script once for each question, in one round trip for as many as there are."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._script = redis.register_script(scripts.source(scripts.WINDOW))
        self._asked: list[Question] = []
        self._replies: asyncio.Task[Sequence[Reply]] | None = None

    async def ask(self, question: Question) -> Reply:
        """Return the script's reply, raising `RedisError`; what is wrong with one question is no other's."""
        replies = self._replies
        if replies is None:
            replies = self._replies = asyncio.create_task(self._travel())
        number = len(self._asked)
        self._asked.append(question)
        # Whoever gives up, gives up alone: the others still get their replies.
        reply = (await asyncio.shield(replies))[number]
        if isinstance(reply, RedisError):
            raise reply
        return reply

    async def _travel(self) -> Sequence[Reply]:
        # Those who ask from now on go with the next one.
        asked, self._asked, self._replies = self._asked, [], None
        replies = await self._run(asked)
        if any(isinstance(reply, NoScriptError) for reply in replies):
            await self._redis.script_load(self._script.script)
            replies = await self._run(asked)
        return replies

    async def _run(self, asked: Sequence[Question]) -> Sequence[Reply]:
        # Not by `Script`, which in a pipeline asks each time whether Redis has it.
        pipeline = self._redis.pipeline(transaction=False)
        for generation, workspace_id, days in asked:
            keyspace = keys.generation(generation)
            names = [keyspace.day(workspace_id, day) for day in days]
            places = (keys.DEPLOYMENT, keyspace.checkpoints, keyspace.as_of, *names)
            pipeline.evalsha(self._script.sha, len(places), *places, generation)
        return await pipeline.execute(raise_on_error=False)
