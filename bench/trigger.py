"""What the trigger costs a writer: processor time of his session, a row."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from bench import options, statements, widths
from bench.figures import Figure, ratios
from bench.processor import microseconds
from bench.rig import CAPTURED, ROWS, create_items, rig
from bench.size import Size
from forwarder.database.sessions import Connection, session

PLAIN = "plain"
BARE = "bare"
SCHEMAS = {PLAIN: "no trigger", BARE: "a bare trigger", CAPTURED: "captured"}
_SINGLE_ROWS = 1_000
_FIRST_NEW_ID = 1_000_000
_STATEMENTS = {
    "update": "UPDATE {schema}.item SET price = price + 1",
    "insert": "INSERT INTO {schema}.item SELECT id + {first}, sender, sent, price, currency, created_at, note FROM {schema}.item",
    "delete": "DELETE FROM {schema}.item WHERE id > {first}",
}
_SINGLE = "update, one a transaction"
# Of the schema "bare".
_BARE_TRIGGER = Path(__file__).with_name("bare_trigger.sql").read_text()

Work = Callable[[str], Awaitable[None]]


async def measure(size: Size, runs: int) -> Sequence[Figure]:
    """Microseconds a row of some 300 bytes, in statements over 10,000 and in transactions of one; by each trigger in turn. Nobody listens."""
    costs: dict[tuple[str, str], list[float]] = defaultdict(list)
    async with rig() as ready, session(ready.url, purpose="bench writer") as writer:
        for schema in (PLAIN, BARE):
            await create_items(ready.connection, schema=schema)
        await ready.connection.execute(_BARE_TRIGGER)
        # Nobody waits for the disk: that would be no time on a processor, but a session that has waited begins with empty caches.
        await writer.execute("SET synchronous_commit = off")
        for number in range(1 + runs * size.trigger_rounds):
            for schema in SCHEMAS:
                await ready.connection.execute(f"VACUUM {schema}.item")
                for operation, (rows, work) in _operations(writer).items():
                    cost = await microseconds(writer, partial(work, schema))
                    # The first round finds nothing in any cache.
                    if number:
                        costs[operation, schema].append(cost / rows)
            await ready.connection.execute("TRUNCATE forwarder.outbox")
    figures = [figure for operation in _operations(writer) for figure in _figures(operation, costs)]
    others = [await module.measure(size, runs) for module in (widths, options, statements)]
    return [*figures, *(figure for found in others for figure in found)]


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
