"""``forwarder local-kinesis``: the local Kinesis as a server."""

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

PortOption = Annotated[int, typer.Option(min=0, max=65_535, help="Where to listen; 0 takes a free port.")]
HostOption = Annotated[str, typer.Option(help="Address to listen on; anything but loopback opens it to the network.")]
ShardsOption = Annotated[int, typer.Option(min=1, max=10_000, help="Shards of each --stream.")]
StreamOption = Annotated[
    list[str] | None, typer.Option(help="Create this stream at start (repeatable).", show_default=False)
]
NoLimitsOption = Annotated[bool, typer.Option("--no-limits", help="Do not enforce the rates of the shards.")]
DiscardOption = Annotated[bool, typer.Option("--discard", help="Check and answer everything, store nothing.")]
FaultsOption = Annotated[Path | None, typer.Option(help="Script of faults, .toml or .json.", show_default=False)]


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
    """Run a local Kinesis that enforces the real limits, until it is interrupted.

    For development, tests and docker-compose; any AWS SDK works with it, with any credentials.

    Example: `forwarder local-kinesis --stream orders --shards 2 --faults faults.toml`
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
