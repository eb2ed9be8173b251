"""``forwarder config``: shows which settings hold and where each comes from, and what settings there are."""

import json as json_text
import os
import re
from dataclasses import replace
from typing import Annotated, Any

import typer
from pydantic import SecretStr

from forwarder.cli.command import Command
from forwarder.cli.config_lines import toml_lines
from forwarder.cli.options import ConfigOption, LogFormatOption, settings
from forwarder.config.effective import Setting, effective
from forwarder.config.reader import read
from forwarder.config.schema import schema as json_schema
from forwarder.config.settings import Settings
from forwarder.database.access import access_by
from forwarder.database.url import masked
from forwarder.errors import Misconfigured

# What is told of the way to log in to the database; no setting has this name.
LOGIN = "database login"
# The user and the password in a URL that may stand in another one, percent-encoded.
_USER_INFO = re.compile(r"(//|%2f%2f)[^/?#&]*?(@|%40)", re.IGNORECASE)

app = typer.Typer(rich_markup_mode=None)


@app.callback()
def config() -> None:
    """Show the settings that hold, or describe all there are.

    \b
    Example:
      forwarder config show
      forwarder config schema
    """


@app.command("show", cls=Command)
def show(
    *,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
    config: ConfigOption = None,
    log_format: LogFormatOption = None,
) -> None:
    """Show every setting with its value and where it comes from.

    That is the file, a variable of the environment, or the default. What is printed is a settings file itself, but for passwords, which are
    left out; a comment says where the database's comes from. Of each [[table]] it shows what that one sets.

    \b
    Example:
      forwarder config show
      forwarder config show --json
    """
    loaded = settings(config, log_format)
    found = [_shown(setting) for setting in effective(loaded, read(os.environ, path=config))]
    login = _login(loaded)
    if json:
        for setting in found:
            told = {"setting": setting.name, "value": setting.value, "source": setting.source}
            typer.echo(json_text.dumps(told, ensure_ascii=False, default=str))
        typer.echo(json_text.dumps({"setting": LOGIN, "value": login, "source": "auth"}, ensure_ascii=False))
        return
    typer.echo("\n".join([*toml_lines(found), "", f"# {LOGIN}: {login}"]))


@app.command("schema", cls=Command)
def schema() -> None:
    """Print the JSON Schema of the settings file, for editors.

    By it they complete and check the file. Keep what is printed in forwarder.schema.json, say, and begin the settings file with the
    line #:schema ./forwarder.schema.json, as Taplo and the extensions made with it understand it.

    \b
    Example:
      forwarder config schema
    """
    typer.echo(json_text.dumps(json_schema(), indent=2, ensure_ascii=False))


def _login(loaded: Settings) -> str:
    """By what one logs in; or why that cannot be told."""
    try:
        return access_by(loaded.database, url=loaded.database.url.get_secret_value() or "postgresql://").source.told
    except Misconfigured as error:
        return str(error)


def _shown(setting: Setting) -> Setting:
    return replace(setting, value=_without_secrets(setting))


def _without_secrets(setting: Setting) -> Any:
    value = setting.value
    if isinstance(value, SecretStr):
        secret = value.get_secret_value()
        return masked(secret) if setting.name == "database.url" and secret else "***" * bool(secret)
    if setting.section == "sink" and setting.field == "url":
        return _USER_INFO.sub(r"\1***\2", value)
    return value
