"""Each example of `--help` runs as it stands. Those that go on until they are stopped are left out: other tests run them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.databases import Database
from tests.described import endpoints, source, target, task, tasks
from tests.helps import EXAMPLES
from tests.ledger import Ledger, write_rows
from tests.listening import CREDENTIALS, Operator, Served
from tests.mapped import numbered, selection

# What the examples name.
FILES = {
    "mappings.json": numbered(selection("public.%")),
    "endpoints.json": endpoints(source(), target()),
    "tasks.json": tasks(task()),
}
LARGE = "x" * (1 << 20)
ENDLESS = ("demo", "local-kinesis", "listen --sink kinesis:")
# They need a stream, or a file, with changes in it: tests/acceptance/test_tail.py has one, and test_verify.py.
READING = ("tail", "verify")
# They wait for a listener: tests/acceptance/test_load_command.py, and test_loading.py.
LOADING = ("load ",)
# It says that all is well, or ends with 1, and nobody leads here: tests/acceptance/test_status.py.
STATUS = ("status",)

RUN = sorted({shlex.join(example) for examples in EXAMPLES.values() for example in examples})
RUN = [example for example in RUN if not example.replace("'", "").startswith((*ENDLESS, *READING, *LOADING, *STATUS))]
# They ask no database, and change nothing for each other, nor for the others.
PURE = [example for example in RUN if ".json" in example or example.startswith("ecs")]
RUN = [example for example in RUN if example not in PURE]
# To prepare a database takes longer than to run an example, so several share one: backwards, so that dead letters are discarded
# last, and every third, so that each of the two that remove the same sink, which are neighbours, finds it.
GROUPS = [PURE, *(RUN[::-1][first::3] for first in range(3))]


@pytest.fixture
async def operator(database: Database, ledger: Ledger, served: Served, tmp_path: Path) -> Operator:
    """Of a database with a dead letter, changes that are delivered, and a sink that nobody needs any more."""
    env = {**CREDENTIALS, "FORWARDER_DATABASE_URL": database.url, "FORWARDER_SINK": served.sink}
    operator = Operator(env, tmp_path, FILES)
    await write_rows(ledger, database.writer_url, 100)
    await write_rows(ledger, database.writer_url, 101, note=LARGE)
    await operator.says(
        "listen", "--once", "--sink", f"default={served.sink}", "--sink", f"old-changes=file:{tmp_path}/old"
    )
    return operator


@pytest.mark.parametrize("examples", GROUPS)
async def test_an_example_runs_as_it_stands(operator: Operator, examples: Sequence[str]) -> None:
    for example in examples:
        await operator.says(*shlex.split(example))
