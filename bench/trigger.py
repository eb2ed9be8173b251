"""What the trigger costs a writer: processor time of his session, a row."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from bench.figures import Figure, ratios
from bench.rig import CAPTURED, create_items, rig
from bench.size import Size
from forwarder.database.sessions import Connection, session

PLAIN = "plain"
# What item.sql makes.
ROWS = 10_000
_FIRST_NEW_ID = 1_000_000
_STATEMENTS = {
    "update": "UPDATE {schema}.item SET price = price + 1",
    "insert": "INSERT INTO {schema}.item SELECT id + {first}, sender, sent, price, currency, created_at, note FROM {schema}.item",
    "delete": "DELETE FROM {schema}.item WHERE id > {first}",
}


async def measure(size: Size, runs: int) -> Sequence[Figure]:
    """Microseconds a row, of statements over 10,000 rows of some 300 bytes; with the trigger and without it in turn. Nobody listens."""
    costs: dict[tuple[str, str], list[float]] = defaultdict(list)
    async with rig() as ready, session(ready.url, purpose="bench writer") as writer:
        await create_items(ready.connection, schema=PLAIN)
        for number in range(1 + runs * size.trigger_rounds):
            for schema in (PLAIN, CAPTURED):
                await ready.connection.execute(f"VACUUM {schema}.item")
                for operation, statement in _STATEMENTS.items():
                    cost = await _cost(writer, statement.format(schema=schema, first=_FIRST_NEW_ID))
                    # The first round finds nothing in any cache.
                    if number:
                        costs[operation, schema].append(cost)
            await ready.connection.execute("TRUNCATE forwarder.outbox")
    return [figure for operation in _STATEMENTS for figure in _figures(operation, costs)]


async def _cost(writer: Connection, statement: str) -> float:
    before = _processor_seconds(writer)
    await writer.execute(statement)
    return 1_000_000 * (_processor_seconds(writer) - before) / ROWS


def _processor_seconds(connection: Connection) -> float:
    """How long the session's process has run on a processor (Linux), to the nanosecond."""
    return int(Path(f"/proc/{connection.get_server_pid()}/schedstat").read_text().split()[0]) / 1e9


def _figures(operation: str, costs: dict[tuple[str, str], list[float]]) -> Sequence[Figure]:
    plain, captured = costs[operation, PLAIN], costs[operation, CAPTURED]
    return [
        Figure(name=f"{operation}, no trigger", unit="µs", runs=plain, digits=1),
        Figure(name=f"{operation}, captured", unit="µs", runs=captured, digits=1),
        Figure(name=f"{operation}, captured / no trigger", unit="x", runs=ratios(captured, plain), digits=1),
    ]
