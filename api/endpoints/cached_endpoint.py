"""An endpoint with cached answers: the one set of checks for the fast path and the ordinary handler."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from aiohttp import web
from yarl import URL

from api.auth.authentication import Permission, authorise
from api.auth.tokens import Token
from api.cache.answer_cache import AnswerCache
from api.resources import ADMISSION
from httpd.cached_response import CachedResponse

Q = TypeVar("Q", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedEndpoint(Generic[Q]):
    """A path that answers queries about the token's workspace; `parse` raises `ApiError`."""

    path: str
    permission: Permission
    parse: Callable[[URL], Q]
    answers: AnswerCache[Q]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request; the counters are read if no fresh answer is cached."""
        token = await request.app[ADMISSION].admit(request)
        answer = await self.answers.load(token.workspace_id, self._check(token, request))
        return answer.response_to(request)

    def get_cached(self, token: Token, request: web.BaseRequest) -> CachedResponse | None:
        """Return the cached answer to an admitted request; None if the counters must be read."""
        return self.answers.get(token.workspace_id, self._check(token, request))

    def _check(self, token: Token, request: web.BaseRequest) -> Q:
        # The contract's order: 403 is answered before 400.
        authorise(token, self.permission)
        return self.parse(request.rel_url)
