"""What the trigger costs a writer: processor time of his session, a row. And what capture of whole statements saves him."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from bench.figures import Figure, ratios
from bench.rig import CAPTURED, create_items, rig
from bench.size import Size
from forwarder.database.sessions import Connection, session

PLAIN = "plain"
BARE = "bare"
SCHEMAS = {PLAIN: "no trigger", BARE: "a bare trigger", CAPTURED: "captured"}
# Captured with level = "statement".
BULK = "bulk"
_BULK_TOML = f'[[table]]\nmatch = "{BULK}.item"\nlevel = "statement"\n'
# What item.sql makes.
ROWS = 10_000
_SINGLE_ROWS = 1_000
_FIRST_NEW_ID = 1_000_000
_STATEMENTS = {
    "update": "UPDATE {schema}.item SET price = price + 1",
    "insert": "INSERT INTO {schema}.item SELECT id + {first}, sender, sent, price, currency, created_at, note FROM {schema}.item",
    "delete": "DELETE FROM {schema}.item WHERE id > {first}",
}
# Of the rows with numbers above {low} and up to {high}.
_PARTS = {
    "insert": _STATEMENTS["insert"] + " WHERE id > {low} AND id <= {high}",
    "delete": "DELETE FROM {schema}.item WHERE id > {first} + {low} AND id <= {first} + {high}",
}
_SINGLE = "update, one a transaction"
_LEVELS = {PLAIN: "no trigger", CAPTURED: "level = row", BULK: "level = statement"}
_ROWS_OF_A_STATEMENT = (1_000, 10, 1)
# Of the schema "bare".
_BARE_TRIGGER = Path(__file__).with_name("bare_trigger.sql").read_text()

Work = Callable[[str], Awaitable[None]]


async def measure(size: Size, runs: int) -> Sequence[Figure]:
    """Microseconds a row of some 300 bytes, in statements over 10,000 and in transactions of one; by each trigger in turn. Nobody listens."""
    costs: dict[tuple[str, str], list[float]] = defaultdict(list)
    async with rig() as ready, session(ready.url, purpose="bench writer") as writer:
        for schema in (PLAIN, BARE, BULK):
            await create_items(ready.connection, schema=schema)
        await ready.connection.execute(_BARE_TRIGGER)
        with (ready.directory / "forwarder.toml").open("a") as settings:
            settings.write(_BULK_TOML)
        async with ready.forwarder("migrate") as migrate:
            await migrate.succeed()
        # Nobody waits for the disk: that would be no time on a processor, but a session that has waited begins with empty caches.
        await writer.execute("SET synchronous_commit = off")
        for number in range(1 + runs * size.trigger_rounds):
            for schema in (*SCHEMAS, BULK):
                await ready.connection.execute(f"VACUUM {schema}.item")
                operations = {
                    **(_operations(writer) if schema in SCHEMAS else {}),
                    **(_by_size(writer) if schema in _LEVELS else {}),
                }
                for operation, (rows, work) in operations.items():
                    cost = await _microseconds(writer, partial(work, schema))
                    # The first round finds nothing in any cache.
                    if number:
                        costs[operation, schema].append(cost / rows)
            await ready.connection.execute("TRUNCATE forwarder.outbox")
    return [
        *(figure for operation in _operations(writer) for figure in _figures(operation, costs)),
        *(figure for operation in _by_size(writer) for figure in _compared(operation, costs)),
    ]


def _operations(writer: Connection) -> Mapping[str, tuple[int, Work]]:
    """How many rows each changes, and what does that in a schema."""

    async def in_bulk(statement: str, schema: str) -> None:
        await writer.execute(statement.format(schema=schema, first=_FIRST_NEW_ID))

    async def one_by_one(schema: str) -> None:
        update = await writer.prepare(f"UPDATE {schema}.item SET price = price + 1 WHERE id = $1")  # noqa: S608 - a constant
        for number in range(1, _SINGLE_ROWS + 1):
            await update.fetch(number)

    bulk = {operation: (ROWS, partial(in_bulk, statement)) for operation, statement in _STATEMENTS.items()}
    return {**bulk, _SINGLE: (_SINGLE_ROWS, one_by_one)}


def _by_size(writer: Connection) -> Mapping[str, tuple[int, Work]]:
    """Inserts, and deletes of the same rows, by statements of a thousand rows, ten and one: how many rows, and what does that in a schema."""

    async def work(statement: str, rows: int, size: int, schema: str) -> None:
        for low in range(0, rows, size):
            await writer.execute(statement.format(schema=schema, first=_FIRST_NEW_ID, low=low, high=low + size))

    return {
        f"{operation}, statements of {size:,}": (rows, partial(work, statement, rows, size))
        for size in _ROWS_OF_A_STATEMENT
        for rows in [min(ROWS, 500 * size)]
        for operation, statement in _PARTS.items()
    }


async def _microseconds(connection: Connection, work: Callable[[], Awaitable[None]]) -> float:
    before = _processor_seconds(connection)
    await work()
    return 1_000_000 * (_processor_seconds(connection) - before)


def _processor_seconds(connection: Connection) -> float:
    """How long the session's process has run on a processor (Linux), to the nanosecond."""
    return int(Path(f"/proc/{connection.get_server_pid()}/schedstat").read_text().split()[0]) / 1e9


def _figures(operation: str, costs: Mapping[tuple[str, str], Sequence[float]]) -> Sequence[Figure]:
    plain, bare, captured = (costs[operation, schema] for schema in SCHEMAS)
    ours = [whole - rest for whole, rest in zip(captured, plain, strict=True)]
    barest = [whole - rest for whole, rest in zip(bare, plain, strict=True)]
    return [
        *(
            Figure(name=f"{operation}, {label}", unit="µs", runs=costs[operation, schema], digits=1)
            for schema, label in SCHEMAS.items()
        ),
        Figure(name=f"{operation}, captured / no trigger", unit="x", runs=ratios(captured, plain), digits=1),
        Figure(name=f"{operation}, our trigger / the bare one", unit="x", runs=ratios(ours, barest), digits=2),
    ]


def _compared(operation: str, costs: Mapping[tuple[str, str], Sequence[float]]) -> Sequence[Figure]:
    rows, statements = costs[operation, CAPTURED], costs[operation, BULK]
    return [
        *(
            Figure(name=f"{operation}, {label}", unit="µs", runs=costs[operation, schema], digits=1)
            for schema, label in _LEVELS.items()
        ),
        Figure(name=f"{operation}, level = row / level = statement", unit="x", runs=ratios(rows, statements), digits=2),
    ]
