"""`headcount tokens`: creates, lists and revokes the tokens of the API's clients."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Annotated, Final

import typer

from api.auth.authentication import PERMISSIONS, VIEW_ENGAGEMENT_DASHBOARD
from api.auth.tokens import Token, mint
from api.store.tokens import RedisTokenStore
from headcount.cli.execution import ask
from headcount.cli.flags import CommandGroup
from headcount.cli.output import AsJson, print_json, print_table
from headcount.clients import api_redis
from headcount.wiring import Config, utc_now
from ingest.errors import OperatorError

_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}
LONGEST: Final = timedelta(days=36_500)
"""The maximum retention; longer durations exceed the range of dates."""
_match_duration = re.compile(r"([1-9]\d{0,5})([mhd])").fullmatch

app = CommandGroup(
    no_args_is_help=True,
    help="Create, list and revoke the tokens that clients log in with.\n\n"
    "Example: headcount tokens create --workspace developers --user alice --expires-in 30d",
)


def parse_duration(text: str) -> timedelta:
    """Parse a duration such as 30d, 12h or 45m."""
    form = _match_duration(text)
    if form is None:
        raise typer.BadParameter("expected a number followed by d, h or m, such as 30d, 12h or 45m")
    duration = timedelta(**{_UNITS[form[2]]: int(form[1])})
    if duration > LONGEST:
        raise typer.BadParameter(f"expected at most {LONGEST.days}d")
    return duration


def parse_permission(text: str) -> str:
    """Parse a permission; every request of a token with a misspelt one would be rejected."""
    if text not in PERMISSIONS:
        raise typer.BadParameter(f"unknown permission {text!r}: expected {' or '.join(PERMISSIONS)}")
    return text


@app.command()
def create(
    *,
    workspace: Annotated[str, typer.Option(help="The workspace whose counts the token may read.")],
    user: Annotated[str, typer.Option(help="The user of the token, as sent in the x-user-id header.")],
    permission: Annotated[
        list[str] | None,
        typer.Option(
            parser=parse_permission,
            metavar="NAME",
            help=f"{' or '.join(PERMISSIONS)}; may be repeated. Default: {VIEW_ENGAGEMENT_DASHBOARD}.",
        ),
    ] = None,
    expires_in: Annotated[
        timedelta | None,
        typer.Option(
            parser=parse_duration,
            metavar="DURATION",
            help="The lifetime, such as 30d, 12h or 45m; unlimited if not given.",
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """Create a token and print it once; only its hash is stored.

    Example: `headcount tokens create --workspace developers --user alice --expires-in 30d`
    """
    now = utc_now()
    try:
        token, secret = mint(
            workspace_id=workspace,
            user_id=user,
            permissions=permission or [VIEW_ENGAGEMENT_DASHBOARD],
            created_at=now,
            expires_at=now + expires_in if expires_in else None,
        )
        ask(lambda config: _add(config, token))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    shown = {
        "user_id": token.user_id,
        "auth_token": secret,
        "workspace_id": token.workspace_id,
        "id": token.id,
    }
    if json:
        print_json({**shown, "permissions": token.permissions, "expires_at": token.expires_at})
    else:
        print_table(("", ""), shown.items())


@app.command(name="list")
def list_(*, json: AsJson = False) -> None:
    """List all tokens, oldest first, without their secrets.

    Example: `headcount tokens list --json`
    """
    now = utc_now()
    address, tokens = ask(_list)
    found = [_describe(token, now) for token in tokens]
    if json:
        print_json(found)
    elif found:
        print_table(tuple(found[0]), [(*row.values(),) for row in found])
    else:
        typer.echo(f"No tokens in {address}. To create one: headcount tokens create --workspace W --user U")


@app.command()
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="The id shown by `tokens list`.")],
) -> None:
    """Revoke a token permanently.

    Example: `headcount tokens revoke 3f2a9c04d1be`
    """
    ask(lambda config: _revoke(config, token_id))
    typer.echo(f"Revoked {token_id}.")


def _describe(token: Token, now: datetime) -> dict[str, object]:
    state = "active" if token.is_active(now) else "revoked" if token.revoked_at else "expired"
    return {
        "id": token.id,
        "workspace_id": token.workspace_id,
        "user_id": token.user_id,
        "permissions": " ".join(sorted(token.permissions)),
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "state": state,
    }


@asynccontextmanager
async def _store(config: Config) -> AsyncIterator[RedisTokenStore]:
    async with api_redis(config) as redis:
        yield RedisTokenStore(redis)


async def _add(config: Config, token: Token) -> None:
    async with _store(config) as store:
        await store.add(token)


async def _list(config: Config) -> tuple[str, list[Token]]:
    async with _store(config) as store:
        return config.redis.url_redacted, await store.list()


async def _revoke(config: Config, token_id: str) -> None:
    async with _store(config) as store:
        if await store.revoke(token_id, utc_now()) is None:
            raise OperatorError(f"No token has the id {token_id}. To list tokens: headcount tokens list")
