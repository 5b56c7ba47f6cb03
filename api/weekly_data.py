"""The endpoint of the mission: how many people were active on each of the last eight days."""

from aiohttp import web

from api.authentication import VIEW_ENGAGEMENT_DASHBOARD, authorise
from api.contract import claims, parse_window, render_weekly_data
from api.resources import ADMISSION, TIME_ZONE, VIEW
from api.responses import json_response


async def get_weekly_data(request: web.Request) -> web.Response:
    """Answer for the token's workspace; the order of the steps is the contract's order of checks."""
    app = request.app
    token = await app[ADMISSION].admit(request)
    authorise(token, VIEW_ENGAGEMENT_DASHBOARD)
    window = parse_window(request.query, app[TIME_ZONE])
    counts = await app[VIEW].daily_counts(token.workspace_id, window)
    return json_response(render_weekly_data(window, counts.users), headers=claims(counts))
