"""``forwarder demo``: the product on this machine alone."""

import asyncio
import signal
import sys
from typing import Annotated

import anyio
import typer
from rich.console import Console

from forwarder.demo.demo import Demo, Options
from forwarder.demo.screen import Screen

SecondsOption = Annotated[float, typer.Option(min=1, max=300, help="How long the shop trades.")]
RateOption = Annotated[float, typer.Option(min=1, max=5000, help="Transactions a second, some four events each.")]
KeepOption = Annotated[bool, typer.Option("--keep", help="Leave everything up afterwards, until Ctrl-C.")]


def demo(*, seconds: SecondsOption = 15, rate: RateOption = 200, keep: KeepOption = False) -> None:
    """Show row changes coming out of a stream, on this machine alone, and audit them.

    Starts an embedded PostgreSQL with a sample shop, a local Kinesis, `forwarder migrate` and `forwarder listen`; kills the
    listener once in the middle. Needs no AWS account and no network, and leaves nothing behind. Exit status 0: nothing was
    lost, and each row's changes came out in order.

    Example: `forwarder demo --seconds 60 --rate 400`
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
