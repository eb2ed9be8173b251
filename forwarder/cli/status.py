"""``forwarder status``: how the sinks, the tables and the outbox are now."""

import signal
import sys
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Annotated

import anyio
import typer

from forwarder.capture.table_rules import rules_of
from forwarder.cli.options import ConfigOption, LogFormatOption, database_url, settings
from forwarder.cli.status_lines import Screen
from forwarder.config.settings import Settings
from forwarder.config.table_mappings.file import load_mappings
from forwarder.database.access import DatabaseAddress
from forwarder.errors import Misconfigured
from forwarder.status.document import Document
from forwarder.status.source import StatusSource

WATCH_SECONDS = 2.0


def status(
    seconds: Annotated[float | None, typer.Argument(metavar="[SECONDS]", hidden=True, min=0.2, max=3600)] = None,
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Show it anew every SECONDS, 2 if none are given.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object, described in docs/status.md.")] = False,
    all_tables: Annotated[bool, typer.Option("--all", help="Show all tables, not 20 of them.")] = False,
    config: ConfigOption = None,
    log_format: LogFormatOption = None,
) -> None:
    """Show how the sinks, tables and the outbox are now.

    The first line says whether all is well and, if not, what to do. It asks the database, and needs no access to the listeners; what they
    know of themselves is at most five seconds old. The exit status is 1 if something is not well; warnings leave it 0.

    \b
    Example:
      forwarder status
      forwarder status --watch 5
      forwarder status --json
    """
    if seconds is not None and not watch:
        raise Misconfigured("SECONDS is for --watch: forwarder status --watch 5")
    loaded = settings(config, log_format)
    url = database_url(loaded)
    show = _print_json if json else Screen(shows_all=all_tables, is_renewed=watch and sys.stdout.isatty()).show
    every_seconds = (seconds or WATCH_SECONDS) if watch else None
    is_well = anyio.run(
        partial(_show, loaded, url, show, every_seconds=every_seconds), backend_options={"use_uvloop": True}
    )
    if not is_well:
        raise typer.Exit(1)


async def _show(
    loaded: Settings, url: DatabaseAddress, show: Callable[[Document], None], *, every_seconds: float | None
) -> bool:
    """Show it once, or again and again until a signal. Whether all was well at last."""
    source = StatusSource(loaded, database_url=url, rules=rules_of(loaded.table, load_mappings(loaded.table_mappings)))
    document = await source.document()
    show(document)
    if every_seconds is not None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_cancel_on, signals, tasks.cancel_scope)
                while True:
                    await anyio.sleep(every_seconds)
                    document = await source.document()
                    show(document)
    await source.close()
    return document.is_well


async def _cancel_on(signals: AsyncIterator[signal.Signals], scope: anyio.CancelScope) -> None:
    await anext(signals)
    scope.cancel()


def _print_json(document: Document) -> None:
    typer.echo(document.model_dump_json())
