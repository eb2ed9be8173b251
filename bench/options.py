"""What each option of [[table]] costs a writer, or spares him: processor time of his session, a row, beside the trigger without options."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.figures import Figure, ratios
from bench.processor import microseconds
from bench.rig import CAPTURED, ROWS, Rig, create_items, rig
from bench.size import Size
from forwarder.database.sessions import session

# By the schema whose table has it: the options in the words of forwarder.toml. The updates below change the price of every row.
OPTIONS: Mapping[str, str] = {
    CAPTURED: "",
    "where_true": 'where = "NEW.sender = 0"',
    "where_false": 'where = "NEW.sender = 1"',
    "only_when_met": 'only_when = ["price"]',
    "only_when_not_met": 'only_when = ["currency", "note"]',
    "skip_unchanged": "skip_unchanged = true",
    "before_none": 'before = "none"',
    "before_changed": 'before = "changed"',
    "before_and_after_key": 'before = "key"\nafter = "key"',
    "exclude": 'columns = { exclude = ["note"] }',
    "mask": 'columns = { mask = { currency = "***" } }',
    "hash": 'columns = { hash = ["currency"] }',
    "truncate": "columns = { truncate = { note = 10 } }",
    "audit": "audit = true",
    "audit_statement": 'audit = ["statement"]',
}
_UPDATE = "UPDATE {schema}.item SET price = price + 1"


async def measure(size: Size, runs: int) -> Sequence[Figure]:
    """Microseconds a row of an UPDATE of 10,000 rows of some 300 bytes; by each option in turn. Nobody listens."""
    costs: dict[str, list[float]] = defaultdict(list)
    async with rig() as ready, session(ready.url, purpose="bench writer") as writer:
        await _capture(ready)
        await writer.execute("SET synchronous_commit = off")
        for number in range(1 + runs * size.trigger_rounds):
            for schema in OPTIONS:
                await ready.connection.execute(f"VACUUM {schema}.item")

                async def update(schema: str = schema) -> None:
                    await writer.execute(_UPDATE.format(schema=schema))

                cost = await microseconds(writer, update)
                # The first round finds nothing in any cache.
                if number:
                    costs[schema].append(cost / ROWS)
            await ready.connection.execute("TRUNCATE forwarder.outbox")
    plain = costs[CAPTURED]
    return [
        Figure(name="update, captured", unit="µs", runs=plain, digits=1),
        *(
            Figure(name=f"{_label(schema)} / captured", unit="x", runs=ratios(costs[schema], plain), digits=2)
            for schema in OPTIONS
            if schema != CAPTURED
        ),
    ]


async def _capture(ready: Rig) -> None:
    rules = []
    for schema, options in OPTIONS.items():
        if schema != CAPTURED:
            await create_items(ready.connection, schema=schema)
        rules.append(f'[[table]]\nmatch = "{schema}.item"\n{options}\n')
    settings: Path = ready.directory / "options.toml"
    settings.write_text("\n".join(rules))  # noqa: ASYNC240 - nothing else runs here
    async with ready.forwarder("migrate", f"--config={settings}") as migrate:
        await migrate.succeed()


def _label(schema: str) -> str:
    return schema.replace("_", " ")
