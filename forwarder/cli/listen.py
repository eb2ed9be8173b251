"""``forwarder listen``: runs the service, with its HTTP server, until it is told to stop."""

import asyncio
import gc
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Annotated

import anyio
import typer

from forwarder.capture.table_rules import rules_of
from forwarder.cli.once_progress import deliveries
from forwarder.cli.options import ConfigOption, LogFormatOption, database_url, settings
from forwarder.cli.progress import Bars, QuietOption
from forwarder.config import sink_url
from forwarder.config.settings import MetricsSettings, Settings
from forwarder.config.sink_url import StdoutTarget
from forwarder.config.table_mappings.file import load_mappings
from forwarder.database.access import DatabaseAddress
from forwarder.errors import Misconfigured, Refused, plain_errors
from forwarder.listen.service import Service
from forwarder.logs import BARE_LINES
from forwarder.metrics import EmbeddedMetrics, Metrics

if TYPE_CHECKING:
    from forwarder.status.source import StatusSource

# How many new objects there are before Python's garbage collector looks for cycles among them; its default is 700. A page of rows is
# thousands of objects without a cycle: to look at them cost a tenth of the listener's time.
COLLECT_AFTER_OBJECTS = 50_000


def listen(
    *,
    sink: Annotated[
        list[str] | None,
        typer.Option(
            "--sink",
            metavar="[NAME=]URL",
            help="Where records go: kinesis://STREAM?region=…, stdout: or file:PATH. Repeatable, each with a NAME of its own; if not given,"
            " the settings name them.",
            show_default=False,
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Deliver what is there now, and exit.")] = False,
    load_only: Annotated[
        bool,
        typer.Option(
            "--load-only",
            help='Do the loads that `forwarder load` and load = "initial" ask for, with the changes meanwhile, and exit.',
        ),
    ] = False,
    quiet: QuietOption = False,
    config: ConfigOption = None,
    log_format: LogFormatOption = None,
) -> None:
    """Stream captured changes to the sinks until stopped.

    It sleeps until a transaction commits changes, sends them to every sink, those of one key in the order of their commits, and then
    saves how far each sink is. SIGTERM and Ctrl-C let what is under way finish, save, and exit with status 0. Of two that run, one
    stands by and takes over when the other is gone.

    \b
    Example:
      forwarder listen --sink 'kinesis://changes?region=eu-west-1'
      forwarder listen --sink stdout: --once
      forwarder listen --load-only
    """
    if once and load_only:
        raise Misconfigured("--once and --load-only exclude each other: give one of them")
    flags = {"sink": sink} if sink else {}
    loaded = settings(config, log_format, **flags)
    metrics = Metrics(tables_limit=loaded.metrics.tables_limit)
    _require_sink(loaded)
    url = database_url(loaded)
    service = Service(loaded, loaded.sink, database_url=url, metrics=metrics)
    # What is imported so far stays for ever, so the garbage collector need not look at it.
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER_OBJECTS)
    run = partial(service.run, once=once, load_only=load_only)
    told = partial(_shown, service, run, Bars(quiet=quiet or _fills_terminal(loaded)))
    served = told if once else partial(_served, service, run, metrics, loaded, url)
    anyio.run(partial(_run, service, served), backend_options={"use_uvloop": True})
    if load_only:
        _require_loaded(service)


def _require_sink(loaded: Settings) -> None:
    if not loaded.sink:
        raise Misconfigured(f"no sink: pass --sink URL or set FORWARDER_SINK; examples: {sink_url.EXAMPLES}")


async def _run(service: Service, run: Callable[[], Awaitable[None]]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, service.stop)
    await run()


def _fills_terminal(settings: Settings) -> bool:
    """Whether the records go to the terminal, which has no room for bars then."""
    return (
        sys.stdout is not None
        and sys.stdout.isatty()
        and any(isinstance(sink_url.parse(sink.url).target, StdoutTarget) for sink in settings.sink)
    )


async def _shown(service: Service, run: Callable[[], Awaitable[None]], bars: Bars) -> None:
    """Run the service, and show how far it is meanwhile."""
    async with bars.shown(deliveries(service, bars)):
        await run()


async def _served(
    service: Service, run: Callable[[], Awaitable[None]], metrics: Metrics, settings: Settings, url: DatabaseAddress
) -> None:
    """Run the service, and tell of it meanwhile."""
    with plain_errors():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(metrics.watch_event_loop)
            if settings.metrics.emf:
                tasks.start_soon(_write_embedded, service, metrics, settings.metrics)
            async with AsyncExitStack() as stack:
                if settings.http.addresses:
                    from forwarder.status.application import Observed
                    from forwarder.status.server import http_server

                    status = _status(service, settings, url)
                    tasks.start_soon(status.run)
                    observed = Observed(
                        states=service.states, outbox=service.outbox_state, metrics=metrics, status=status
                    )
                    await stack.enter_async_context(http_server(settings.http, observed))
                await run()
            tasks.cancel_scope.cancel()


def _status(service: Service, settings: Settings, url: DatabaseAddress) -> "StatusSource":
    from forwarder.status.source import StatusSource

    rules = rules_of(settings.table, load_mappings(settings.table_mappings))
    return StatusSource(settings, database_url=url, rules=rules, memory=service.announcer)


async def _write_embedded(service: Service, metrics: Metrics, settings: MetricsSettings) -> None:
    lines = EmbeddedMetrics(
        metrics, service.states, namespace=settings.namespace, service=settings.service, write=BARE_LINES.info
    )
    await lines.run(interval_seconds=settings.emf_interval_seconds)


def _require_loaded(service: Service) -> None:
    """See that no load has failed.

    Raises:
        Refused: one has.
    """
    failed = [warning for state in service.states.values() for warning in state.load_warnings]
    if failed:
        raise Refused(f"{failed[0]} ({len(failed) - 1} more have failed)" if failed[1:] else failed[0])
