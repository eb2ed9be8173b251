"""The command line: which figures, how many runs, how large."""

import os
import sys
from argparse import ArgumentParser
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import anyio
from rich.console import Console

from bench import (
    backlog,
    cost,
    drain,
    formats,
    giant,
    held_xmin,
    http,
    lanes,
    latency,
    load,
    memory,
    reclaim,
    start,
    trigger,
    writers,
)
from bench.figures import Figure, table
from bench.rig import ENVIRONMENT, machine
from bench.size import FULL, QUICK, Size

Bench = Callable[[Size, int], Awaitable[Sequence[Figure]]]

BENCHES: dict[str, Bench] = {
    "writers": writers.measure,
    "trigger": trigger.measure,
    "drain": drain.measure,
    "formats": formats.measure,
    "load": load.measure,
    "lanes": lanes.measure,
    "latency": latency.measure,
    "memory": memory.measure,
    "http": http.measure,
    "start": start.measure,
    "held-xmin": held_xmin.measure,
    "reclaim": reclaim.measure,
    "backlog": backlog.measure,
    "giant": giant.measure,
}


def main() -> None:
    parser = ArgumentParser(prog="python -m bench", description="Measure, and print medians beside their targets.")
    parser.add_argument("bench", nargs="?", choices=[*BENCHES, "cost"], help="only this one; cost measures nothing")
    parser.add_argument("--runs", type=int, default=3, help="runs of each; their medians count (%(default)s)")
    parser.add_argument(
        "--quick", action="store_true", help="a tenth of everything: shows that it works, proves nothing"
    )
    options = parser.parse_args()
    if options.bench == "cost":
        for title, sheet in cost.sheets().items():
            sys.stdout.write(f"{title}\n\n{sheet.markdown()}\n")
        return
    os.environ.update(ENVIRONMENT)
    # Wide enough for every row, also where the output is no terminal.
    console = Console(width=140)
    console.print(f"{options.runs} runs on {machine()}")
    for name in [options.bench] if options.bench else BENCHES:
        run = partial(BENCHES[name], QUICK if options.quick else FULL, options.runs)
        console.print(table(name, anyio.run(run, backend_options={"use_uvloop": True})))


if __name__ == "__main__":
    main()
