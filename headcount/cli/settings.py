"""`headcount settings`: which value each setting has here, and where it comes from."""

import os

import typer

from headcount.cli.execution import sentences
from headcount.cli.output import AsJson, print_json, print_table
from headcount.settings import SettingInForce, settings_in_force, unknown_settings


def settings(*, json: AsJson = False) -> None:
    """Show the value of every setting in this environment, and where it comes from; secrets are masked.

    Names in the environment that look like a setting and are none have no effect: they are named below.

    Exit code: 0 if worker and API would accept these settings, 1 if not.

    Example: `docker compose run --rm operator settings`
    """
    with sentences():
        found = settings_in_force(os.environ)
    unknown = unknown_settings(os.environ)
    if json:
        print_json({"settings": found, "unknown": unknown})
        return
    print_table(("setting", "value", "from"), [(each.name, each.value, _source(each)) for each in found])
    for each in unknown:
        typer.echo(f"! {each}")


def _source(setting: SettingInForce) -> str:
    return f"{setting.source} {setting.file}" if setting.file else setting.source
