"""What commands have in common: the options of all, and how they read a seq, a time and the settings."""

import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from forwarder import logs
from forwarder.config.reader import load
from forwarder.config.settings import Settings
from forwarder.database.access import Access, access_by
from forwarder.database.address import require_files
from forwarder.database.url import parse
from forwarder.errors import Misconfigured

logger = logging.getLogger(__name__)

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Settings, in TOML; if not given, FORWARDER_CONFIG names the file, or it is ./forwarder.toml.",
        show_default=False,
    ),
]
LogFormatOption = Annotated[
    Literal["text", "json"] | None,
    typer.Option(
        "--log-format",
        metavar="text|json",
        help="How logs are written to stderr; if not given, as the settings say, or as text.",
        show_default=False,
    ),
]


# The highest number that a change can have: PostgreSQL's bigint.
MAX_SEQ = (1 << 63) - 1
SEQS = f"a seq is a whole number from 1 to {MAX_SEQ}"
TIMES = "a time such as 2026-01-31T12:00:00Z"


def seq_of(text: str) -> int | None:
    """The seq that a text is; None if it is none."""
    if not text.isdecimal() or len(text) > len(str(MAX_SEQ)):
        return None
    return int(text) if 1 <= int(text) <= MAX_SEQ else None


def time_of(text: str) -> datetime | None:
    """The moment that an ISO 8601 text names, in UTC if it names no zone; None if it is none."""
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def settings(path: Path | None, log_format: str | None, **flags: Any) -> Settings:
    """Read the settings, with the flags over them, and set up the logs as they say."""
    if log_format:
        flags["log"] = {"format": log_format}
    loaded = load(path=path, flags=flags)
    logs.configure(loaded.log.format)
    return loaded


def database_url(loaded: Settings) -> Access:
    """The way to the database. What its URL leaves out is found as libpq does; a parameter that has no effect is warned of.

    Raises:
        Misconfigured: neither a URL, a secret nor a variable of libpq says where the database is, or the settings of it cannot be used.
    """
    url = loaded.database.url.get_secret_value()
    is_somewhere = loaded.database.secret or any(name in os.environ for name in ("PGHOST", "PGSERVICE", "PGDATABASE"))
    if not url and not is_somewhere:
        raise Misconfigured(
            "no database: set FORWARDER_DATABASE_URL, or url in [database]; PGHOST and its like work too"
        )
    if url and (ignored := parse(url).ignored):
        logger.warning("parameters of the database's URL have no effect", extra={"names": ", ".join(ignored)})
    access = access_by(loaded.database, url=url or "postgresql://")
    require_files(access.target())
    return access
