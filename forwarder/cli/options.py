"""The options that every command takes."""

import logging
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from forwarder import logs
from forwarder.config.reader import load
from forwarder.config.settings import Settings
from forwarder.database.address import require_files, resolve
from forwarder.database.url import parse
from forwarder.errors import Misconfigured

logger = logging.getLogger(__name__)

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="TOML file; else FORWARDER_CONFIG, else ./forwarder.toml.", show_default=False),
]
LogFormatOption = Annotated[
    Literal["text", "json"] | None,
    typer.Option("--log-format", help="How logs are written to stderr.", show_default="text"),
]

# The highest number that a change can have: PostgreSQL's bigint.
MAX_SEQ = (1 << 63) - 1
SEQS = f"a seq is a whole number from 1 to {MAX_SEQ}"


def seq_of(text: str) -> int | None:
    """The number of a change; None if it cannot be one."""
    if not text.isdecimal() or len(text) > len(str(MAX_SEQ)):
        return None
    return int(text) if 1 <= int(text) <= MAX_SEQ else None


def settings(path: Path | None, log_format: str | None, **flags: Any) -> Settings:
    """Read the settings with the flags over them, and set up the logs they ask for."""
    if log_format:
        flags["log"] = {"format": log_format}
    loaded = load(path=path, flags=flags)
    logs.configure(loaded.log.format)
    return loaded


def database_url(loaded: Settings) -> str:
    """The database's URL; what it leaves out is left to libpq's variables. What has no effect in it is warned of.

    Raises:
        Misconfigured: neither a URL nor a variable of libpq says where the database is, or the URL cannot be used.
    """
    url = loaded.database.url.get_secret_value()
    if url:
        require_files(resolve(url))
        if ignored := parse(url).ignored:
            logger.warning("parameters of the database's URL have no effect", extra={"names": ", ".join(ignored)})
        return url
    if any(name in os.environ for name in ("PGHOST", "PGSERVICE", "PGDATABASE")):
        require_files(resolve("postgresql://"))
        return "postgresql://"
    raise Misconfigured("no database: set FORWARDER_DATABASE_URL, or url in [database]; PGHOST and its like work too")
