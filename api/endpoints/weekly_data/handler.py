"""The endpoint of the mission: how many people were active on each of the last eight days."""

from aiohttp import web

from api.auth.authentication import VIEW_ENGAGEMENT_DASHBOARD, authorise
from api.endpoints.weekly_data.contract import window_asked
from api.resources import ADMISSION, ANSWERS, TIME_ZONE


async def get_weekly_data(request: web.Request) -> web.StreamResponse:
    """Answer for the token's workspace; the order of the steps is the contract's order of checks."""
    app = request.app
    token = await app[ADMISSION].admit(request)
    authorise(token, VIEW_ENGAGEMENT_DASHBOARD)
    window = window_asked(request.rel_url, app[TIME_ZONE])
    answer = await app[ANSWERS].find(token.workspace_id, window)
    return answer.response_to(request)
