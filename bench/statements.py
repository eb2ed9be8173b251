"""What capture of whole statements saves a writer, or costs him, by the rows of a statement: processor time of his session, a row."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import product

from bench.figures import Figure, ratios
from bench.processor import microseconds
from bench.rig import CAPTURED, ROWS, create_items, rig
from bench.size import Size
from forwarder.database.sessions import Connection, session

_PLAIN = "plain"
_WHOLE = "whole"
_LEVELS = {_PLAIN: "no trigger", CAPTURED: "level = row", _WHOLE: "level = statement"}
_RULES = f"""
[[table]]
match = "{CAPTURED}.item"
[[table]]
match = "{_WHOLE}.item"
level = "statement"
"""
_SIZES = (1_000, 10, 1)
# So many statements of a size at most.
_MOST = 500
# Of the rows with numbers above {low} and up to {high}; the new ones have numbers of their own.
_STATEMENTS = {
    "insert": "INSERT INTO {schema}.item SELECT 1000000 + id, sender, sent, price, currency, created_at, note FROM {schema}.item"
    " WHERE id > {low} AND id <= {high}",
    "delete": "DELETE FROM {schema}.item WHERE id > 1000000 + {low} AND id <= 1000000 + {high}",
}


async def measure(size: Size, runs: int) -> Sequence[Figure]:
    """Microseconds a row of some 300 bytes, inserted and deleted by statements of a thousand rows, of ten, and of one. Nobody listens."""
    costs: dict[tuple[str, str], list[float]] = defaultdict(list)
    async with rig() as ready, session(ready.url, purpose="bench writer") as writer:
        for schema in (_PLAIN, _WHOLE):
            await create_items(ready.connection, schema=schema)
        settings = ready.directory / "statements.toml"
        settings.write_text(_RULES)
        async with ready.forwarder("migrate", f"--config={settings}") as migrate:
            await migrate.succeed()
        await writer.execute("SET synchronous_commit = off")
        for number in range(1 + runs * size.trigger_rounds):
            for rows, schema, operation in product(_SIZES, _LEVELS, _STATEMENTS):
                cost = await _cost(writer, schema, operation, rows)
                # The first round finds nothing in any cache.
                if number:
                    costs[_label(operation, rows), schema].append(cost)
            for schema in _LEVELS:
                await ready.connection.execute(f"VACUUM {schema}.item")
            await ready.connection.execute("TRUNCATE forwarder.outbox")
    labels = (_label(operation, rows) for rows, operation in product(_SIZES, _STATEMENTS))
    return [figure for label in labels for figure in _figures(label, {level: costs[label, level] for level in _LEVELS})]


async def _cost(writer: Connection, schema: str, operation: str, rows: int) -> float:
    """Microseconds a row, by statements of so many rows."""
    count = min(ROWS, _MOST * rows)

    async def work() -> None:
        for low in range(0, count, rows):
            await writer.execute(_STATEMENTS[operation].format(schema=schema, low=low, high=low + rows))

    return await microseconds(writer, work) / count


def _label(operation: str, rows: int) -> str:
    return f"{operation}, {rows:,} a statement"


def _figures(label: str, costs: dict[str, list[float]]) -> Sequence[Figure]:
    return [
        *(Figure(name=f"{label}, {_LEVELS[level]}", unit="µs", runs=costs[level], digits=1) for level in _LEVELS),
        Figure(
            name=f"{label}, row / statement",
            unit="x",
            runs=ratios(costs[CAPTURED], costs[_WHOLE]),
            digits=2,
            at_least=1.5 if label.endswith("1,000 a statement") else None,
        ),
    ]
