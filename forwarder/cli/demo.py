"""``forwarder demo``: all of forwarder at work on this machine alone, and an audit of what it promises."""

import asyncio
import signal
import sys
from typing import Annotated

import anyio
import typer
from rich.console import Console

from forwarder.demo.demo import Demo, Options
from forwarder.demo.screen import Screen

SecondsOption = Annotated[float, typer.Option(metavar="SECONDS", min=1, max=300, help="For how long the shop trades.")]
RateOption = Annotated[
    float,
    typer.Option(metavar="NUMBER", min=1, max=5000, help="Transactions a second, of some four changes each."),
]
KeepOption = Annotated[bool, typer.Option("--keep", help="Leave everything running afterwards, until Ctrl-C.")]


def demo(*, seconds: SecondsOption = 15, rate: RateOption = 200, keep: KeepOption = False) -> None:
    """Show row changes coming out of a stream, and audit them.

    Starts a PostgreSQL of its own with a sample shop, a local Kinesis, `forwarder migrate` and `forwarder listen`, and kills the
    listener once in the middle. It needs no AWS account and no network, and leaves nothing behind. Exit status 0 says that nothing was
    lost, and that the changes of each row came out in order.

    \b
    Example:
      forwarder demo --seconds 60 --rate 400
    """
    screen = Screen(Console(highlight=False, force_interactive=sys.stdout.isatty()))
    screen.step("forwarder demo: a shop in PostgreSQL, its changes in a Kinesis stream")
    options = Options(seconds=seconds, rate=rate, keep=keep)
    if not anyio.run(_run, options, screen, backend_options={"use_uvloop": True}):
        screen.step("stopped before the audit")
        raise typer.Exit(128 + signal.SIGINT)


async def _run(options: Options, screen: Screen) -> bool:
    performance = Demo(options, screen)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, performance.stop)
    return await performance.run()
