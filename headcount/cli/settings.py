"""`headcount settings`: shows the value and the source of each setting."""

import os

import typer

from headcount.cli.execution import sentences
from headcount.cli.output import AsJson, print_json, print_table
from headcount.settings import SettingInForce, settings_in_force, unknown_settings


def settings(*, json: AsJson = False) -> None:
    """Show the value of every setting and its source; secrets are masked.

    Environment variables that resemble a setting without being one are listed below: they have no effect.

    Exit code: 0 if all settings are valid, 1 if not.

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
