"""The writers: pgbench, which comes with PostgreSQL and takes far less of the machine than a client in Python would."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import anyio

from bench.rig import CAPTURED, Rig
from forwarder.errors import Refused

CLIENTS = 16
_SCRIPT = Path(__file__).with_name("update.pgbench")
_TRANSACTIONS_PER_SECOND = re.compile(r"^tps = ([\d.]+)", re.MULTILINE)


# A client and the number of one of its transactions: in the row, so in the record, and in pgbench's log.
Send = tuple[int, int]


class Transaction(NamedTuple):
    """One that pgbench has made: whose, how long it took, and when its COMMIT had returned, by the system's clock."""

    send: Send
    microseconds: int
    committed_at: float


async def pgbench(rig: Rig, *options: str, schema: str = CAPTURED, commit: str = "on", clients: int = CLIENTS) -> float:
    """Update single rows of ``item`` in a schema, each in a transaction of its own; how many a second that was.

    Raises:
        Refused: pgbench failed.
    """
    command = [
        str(rig.binaries / "pgbench"),
        *("--no-vacuum", "--protocol=prepared", f"--client={clients}", "--jobs=2"),
        *("--define=sent=0", f"--file={_SCRIPT}", *options, rig.url),
    ]
    session = {"PGOPTIONS": f"-csearch_path={schema} -csynchronous_commit={commit}"}
    done = await anyio.run_process(
        command, stderr=subprocess.STDOUT, cwd=rig.directory, env={**os.environ, **session}, check=False
    )
    found = _TRANSACTIONS_PER_SECOND.search(done.stdout.decode())
    if done.returncode or not found:
        raise Refused(f"pgbench failed: {done.stdout.decode().strip()}")
    return float(found[1])


async def produce(rig: Rig, events: int) -> None:
    """Leave this many events of single-row transactions behind, quickly: they wait for no disk."""
    await pgbench(rig, f"--transactions={events // CLIENTS}", commit="off")


def take_log(prefix: Path) -> Iterator[Transaction]:
    """The transactions that a run with ``--log --log-prefix`` has noted; the files are removed.

    See https://www.postgresql.org/docs/18/pgbench.html, "Per-Transaction Logging".
    """
    for part in prefix.parent.glob(f"{prefix.name}.*"):
        with part.open() as lines:
            for line in lines:
                client, number, elapsed, _, seconds, microseconds, *_ = map(int, line.split())
                yield Transaction((client, number), elapsed, seconds + microseconds / 1e6)
        part.unlink()
