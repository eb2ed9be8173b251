"""``outbox = true``: what an application inserts into an outbox of its own arrives as events."""

from __future__ import annotations

import pytest

from forwarder.capture import migrations
from forwarder.config.settings import TableRule
from forwarder.errors import Misconfigured
from tests.databases import Database, connected
from tests.mapped import compared, selection, transformation
from tests.migrating import migrate_tables
from tests.reading import records
from tests.ruled import create

# As the documentation of Debezium's outbox event router has it.
OUTBOX = (
    "CREATE TABLE public.outboxevent (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), aggregatetype varchar(255) NOT NULL,"
    " aggregateid varchar(255) NOT NULL, type varchar(255) NOT NULL, payload jsonb)"
)
PLACED = "INSERT INTO public.outboxevent (aggregatetype, aggregateid, type, payload) VALUES ('order', '{}', 'OrderPlaced', '{{\"total\": 1.50}}')"


@pytest.fixture
async def url(database: Database) -> str:
    return database.url


async def test_what_is_inserted_is_an_event_with_the_aggregate_for_its_key_and_nothing_else_is_captured(
    url: str,
) -> None:
    async with connected(url) as owner:
        await create(owner, OUTBOX, table="public.outboxevent", outbox=True)
        # As applications do, so that the table stays empty.
        for number in (42, 7):
            async with owner.transaction():
                await owner.execute(PLACED.format(number))
                await owner.execute("DELETE FROM public.outboxevent")
        await owner.execute(PLACED.format(42))
        await owner.execute("UPDATE public.outboxevent SET payload = NULL")
        await owner.execute("TRUNCATE public.outboxevent")
    found = await records(url)
    assert [(event["op"], event["table"], event["key"]) for event in found] == [
        ("event", "outboxevent", {"aggregateid": "42"}),
        ("event", "outboxevent", {"aggregateid": "7"}),
        ("event", "outboxevent", {"aggregateid": "42"}),
    ]
    assert found[0]["before"] is None
    assert found[0]["after"]["type"] == "OrderPlaced"
    assert found[0]["after"]["payload"] == {"total": 1.5}


async def test_other_options_hold_for_the_events_of_an_outbox(url: str) -> None:
    async with connected(url) as owner:
        await create(
            owner,
            OUTBOX,
            table="public.outboxevent",
            outbox=True,
            where="NEW.aggregatetype = 'order'",
            columns={"exclude": ["id"], "hash": ["aggregateid"]},
            audit=True,
        )
        await owner.execute(PLACED.format(42))
        await owner.execute(PLACED.format(43).replace("'order'", "'cart'"))
    (event,) = await records(url)
    assert list(event["after"]) == ["aggregateid", "aggregatetype", "type", "payload"]
    assert event["key"] == {"aggregateid": event["after"]["aggregateid"]}
    assert len(event["after"]["aggregateid"]) == 64
    assert event["audit"]["user"]


async def test_an_event_inserted_by_a_trigger_is_captured_whatever_the_order_of_rows_asks_for(url: str) -> None:
    async with connected(url) as owner:
        await create(owner, OUTBOX, table="public.outboxevent", outbox=True)
        await owner.execute(
            "CREATE TABLE public.orders (id integer PRIMARY KEY);"
            "CREATE FUNCTION public.place() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " INSERT INTO outboxevent (aggregatetype, aggregateid, type) VALUES ('order', NEW.id, 'a'), ('order', NEW.id, 'b'); RETURN NULL;"
            " END $$; CREATE TRIGGER place AFTER INSERT ON public.orders FOR EACH ROW EXECUTE FUNCTION public.place()"
        )
        assert not (await migrate_tables(owner, "public.orders")).problems
        await owner.execute("INSERT INTO public.orders VALUES (1), (2)")
    types = [(event["key"], event["after"].get("type")) for event in await records(url) if event["op"] == "event"]
    assert types == [({"aggregateid": number}, name) for number in "12" for name in "ab"]


async def test_a_table_of_another_layout_is_refused_by_the_column_that_it_lacks(url: str) -> None:
    async with connected(url) as owner:
        await owner.execute(
            "CREATE TABLE public.outboxevent (id uuid PRIMARY KEY, aggregatetype text, type text, payload jsonb)"
        )
        with pytest.raises(Misconfigured, match=r"public\.outboxevent: outbox = true .* it does not have aggregateid"):
            await migrate_tables(owner, "public.outboxevent", options={"outbox": True})


async def test_the_columns_that_make_it_an_outbox_are_not_renamed_by_table_mappings(url: str) -> None:
    upper = transformation("convert-uppercase", "public.outboxevent.%")
    kept = [
        transformation("rename", f"public.outboxevent.{name}", value=name)
        for name in ("id", "aggregatetype", "aggregateid", "type", "payload")
    ]
    outbox = [TableRule(match="public.outboxevent", outbox=True)]
    async with connected(url) as owner:
        await migrations.apply(owner)
        await owner.execute(OUTBOX)
        with pytest.raises(
            Misconfigured, match=r"rule-id 2 of mappings\.json calls column id of public\.outboxevent ID"
        ):
            await compared(owner, selection(), upper, tables=outbox)
        await compared(owner, selection(), upper, *kept, tables=outbox)
