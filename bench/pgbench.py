"""The writers: pgbench, which comes with PostgreSQL and takes far less of the machine than a client in Python would."""

import os
import re
import subprocess
from pathlib import Path

import anyio

from bench.rig import CAPTURED, Rig
from forwarder.errors import Refused

CLIENTS = 16
_SCRIPT = Path(__file__).with_name("update.pgbench")
_TRANSACTIONS_PER_SECOND = re.compile(r"^tps = ([\d.]+)", re.MULTILINE)


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
