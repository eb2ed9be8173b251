"""``forwarder local-kinesis``: runs the local Kinesis as a server."""

import errno
import signal
from pathlib import Path
from typing import Annotated

import anyio
import typer

from forwarder.errors import Misconfigured
from forwarder.local.kinesis import LocalKinesis, serve
from forwarder.local.kinesis.errors import KinesisError
from forwarder.local.kinesis.faults import load

PortOption = Annotated[
    int, typer.Option(metavar="PORT", min=0, max=65_535, help="Where to listen; 0 takes a free port, and names it.")
]
HostOption = Annotated[
    str, typer.Option(metavar="ADDRESS", help="Where to listen; all but loopback can be reached from the network.")
]
ShardsOption = Annotated[int, typer.Option(metavar="NUMBER", min=1, max=10_000, help="How many each --stream has.")]
StreamOption = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Create this stream at the start. Repeatable.", show_default=False),
]
NoLimitsOption = Annotated[bool, typer.Option("--no-limits", help="Leave out the limits of rate.")]
DiscardOption = Annotated[bool, typer.Option("--discard", help="Check and answer requests, but store nothing.")]
FaultsOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Let requests fail as this script says, in TOML or JSON.", show_default=False),
]


def local_kinesis(
    *,
    port: PortOption = 4567,
    host: HostOption = "127.0.0.1",
    shards: ShardsOption = 4,
    stream: StreamOption = None,
    no_limits: NoLimitsOption = False,
    discard: DiscardOption = False,
    faults: FaultsOption = None,
) -> None:
    """Run a local Kinesis that enforces the real limits.

    For development, tests and docker compose. Any AWS SDK works with it, with any credentials. What it stores is in memory, and is
    gone when it stops, by Ctrl-C or SIGTERM. docs/local-kinesis.md says what it can do, and how to script faults.

    \b
    Example:
      forwarder local-kinesis --stream orders --shards 2
    """
    kinesis = LocalKinesis(limits=not no_limits, discard=discard, faults=load(faults) if faults else ())
    anyio.run(_serve, kinesis, host, port, stream or [], shards, backend_options={"use_uvloop": True})


async def _serve(kinesis: LocalKinesis, host: str, port: int, streams: list[str], shards: int) -> None:
    """Serve, say so in one line on stdout, and leave on SIGINT or SIGTERM."""
    for name in streams:
        _create(kinesis, name, shards=shards)
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        try:
            async with serve(kinesis, host=host, port=port) as endpoint:
                typer.echo(f"local kinesis on {endpoint.url} streams={','.join(streams)}")
                await anext(signals)
        except OSError as error:
            raise _cannot_listen(error, host=host, port=port) from error


def _create(kinesis: LocalKinesis, name: str, *, shards: int) -> None:
    try:
        kinesis.create_stream(name, shards=shards)
    except KinesisError as error:
        raise Misconfigured(f"cannot create --stream {name}: {error.message}") from error


def _cannot_listen(error: OSError, *, host: str, port: int) -> Misconfigured:
    if error.errno == errno.EADDRINUSE:
        return Misconfigured(f"port {port} on {host} is in use; choose another with --port, or --port 0 for a free one")
    return Misconfigured(f"cannot listen on {host} port {port}: {error.strerror}; choose others with --host and --port")
