"""What the trigger costs by how many columns a row has: processor time of the writer's session, a row."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import product

from bench.figures import Figure, ratios
from bench.processor import microseconds
from bench.rig import rig
from bench.size import Size
from forwarder.database.sessions import session

# Columns of ten characters beside the key.
_WIDTHS = (0, 1, 8, 50)
_ROWS = 5_000
_PLAIN, _CAPTURED = "free", "wide"
_RULES = f"""
[[table]]
match = "{_CAPTURED}.*"
"""


async def measure(size: Size, runs: int) -> Sequence[Figure]:
    """Microseconds a row, inserted by one statement into tables of 1, 2, 9 and 51 columns, captured and not. Nobody listens."""
    costs: dict[tuple[int, str], list[float]] = defaultdict(list)
    async with rig() as ready, session(ready.url, purpose="bench writer") as writer:
        for schema in (_PLAIN, _CAPTURED):
            await ready.connection.execute(f"CREATE SCHEMA {schema}")
            for width in _WIDTHS:
                columns = ", ".join(["id integer PRIMARY KEY", *(f"c{number} text" for number in range(width))])
                await ready.connection.execute(f"CREATE TABLE {schema}.columns_{width} ({columns})")
        settings = ready.directory / "widths.toml"
        settings.write_text(_RULES)
        async with ready.forwarder("migrate", f"--config={settings}") as migrate:
            await migrate.succeed()
        await writer.execute("SET synchronous_commit = off")
        for number in range(1 + runs * size.trigger_rounds):
            for width, schema in product(_WIDTHS, (_PLAIN, _CAPTURED)):
                values = ", ".join(["number", *["'abcdefghij'"] * width])
                statement = (
                    f"INSERT INTO {schema}.columns_{width} SELECT {values} FROM generate_series(1, {_ROWS}) AS number"  # noqa: S608
                )

                async def insert(statement: str = statement) -> None:
                    await writer.execute(statement)

                cost = await microseconds(writer, insert)
                # The first round finds nothing in any cache.
                if number:
                    costs[width, schema].append(cost / _ROWS)
                await ready.connection.execute(f"TRUNCATE {schema}.columns_{width}")
            await ready.connection.execute("TRUNCATE forwarder.outbox")
    return [figure for width in _WIDTHS for figure in _figures(width, costs[width, _PLAIN], costs[width, _CAPTURED])]


def _figures(width: int, plain: Sequence[float], captured: Sequence[float]) -> Sequence[Figure]:
    label = f"insert, {width} columns beside the key"
    return [
        Figure(name=f"{label}, no trigger", unit="µs", runs=plain, digits=1),
        Figure(name=f"{label}, captured", unit="µs", runs=captured, digits=1),
        Figure(name=f"{label}, captured / no trigger", unit="x", runs=ratios(captured, plain), digits=1),
    ]
