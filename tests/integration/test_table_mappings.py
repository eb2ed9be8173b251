"""Table mappings of DMS as triggers: which tables, rows and columns come to the outbox, and in which form."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from forwarder.capture import migrations
from forwarder.config.settings import TableRule
from forwarder.errors import Misconfigured
from tests.databases import Database, connected
from tests.mapped import captured_by, compared, filtered, object_mapping, selection, transformation
from tests.ruled import MARKER, assert_hidden, changes

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

PERSON = "CREATE TABLE public.person (id integer PRIMARY KEY, name text, ssn text, email text, born date)"
PEOPLE = {
    1: ("Ada", "1815-12-10"),
    2: ("O'Neil \\", "1900-01-01"),
    3: ("Grace", None),
}


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[Connection]:
    session = await asyncpg.connect(database.url)
    await migrations.apply(session)
    yield session
    await session.close()


async def captured_tables(owner: Connection) -> set[str]:
    rows = await owner.fetch(
        "SELECT concat_ws('.', schema_name, table_name) FROM forwarder.captured_table WHERE removed_at IS NULL AND relation <> 0"
    )
    return {row[0] for row in rows}


async def sent(owner: Connection) -> list[dict[str, Any] | None]:
    return [change.after for change in await changes(owner)]


@pytest.mark.parametrize(
    ("rules", "tables"),
    [
        ([selection("public.%")], {"order_items", "orderXitems", "audit_log", "a%b"}),
        ([selection("public.order_items")], {"order_items", "orderXitems"}),
        ([selection("public.order[_]items")], {"order_items"}),
        ([selection("public.order_items", "explicit")], {"order_items"}),
        ([selection("public.a[%]b")], {"a%b"}),
        ([selection("publi[b-d].[a-n]%")], {"audit_log", "a%b"}),
        ([selection("public.[xyzao]%"), selection("public.audit%", "exclude")], {"order_items", "orderXitems", "a%b"}),
        ([selection("public.audit_log", "exclude"), selection("%.%"), selection("public.audit_log", "explicit")], None),
    ],
)
async def test_tables_are_selected_as_dms_selects_them(
    owner: Connection, rules: list[dict[str, Any]], tables: set[str] | None
) -> None:
    for name in ("order_items", "orderXitems", "audit_log", "a%b", "Order_Items"):
        await owner.execute(f'CREATE TABLE public."{name}" (id integer PRIMARY KEY)')
    await captured_by(owner, *rules)
    found = await captured_tables(owner)
    if tables is None:
        assert "public.audit_log" not in found
        assert "public.Order_Items" in found
    else:
        assert found - {"public.Order_Items"} == {f"public.{name}" for name in tables}


async def test_filters_choose_rows_and_their_values_are_no_sql(owner: Connection) -> None:
    """Conditions of one filter are joined by OR, filters by AND."""
    await owner.execute(PERSON)
    by_name = filtered(
        "name", {"filter-operator": "eq", "value": "O'Neil \\"}, {"filter-operator": "eq", "value": "Ada"}
    )
    by_date = filtered("born", {"filter-operator": "between", "start-value": "1815-12-10", "end-value": "1850-01-01"})
    await captured_by(owner, selection("public.person", filters=[by_name, by_date]))
    for id, (name, born) in PEOPLE.items():
        await owner.execute(f"INSERT INTO public.person (id, name, born) VALUES ({id}, $1, $2::text::date)", name, born)
    assert [after and after["id"] for after in await sent(owner)] == [1]


@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        ({"filter-operator": "eq", "value": 2}, [2]),
        ({"filter-operator": "noteq", "value": "2"}, [1, 3]),
        ({"filter-operator": "gte", "value": "2"}, [2, 3]),
        ({"filter-operator": "ste", "value": "2"}, [1, 2]),
        ({"filter-operator": "lte", "value": "2"}, [1, 2]),
        ({"filter-operator": "between", "start-value": "2", "end-value": "3"}, [2, 3]),
        ({"filter-operator": "notbetween", "start-value": "2", "end-value": "3"}, [1]),
        ({"filter-operator": "null"}, [4]),
        ({"filter-operator": "notnull"}, [1, 2, 3]),
    ],
)
async def test_every_operator_compares_by_the_type_of_the_column(
    owner: Connection, condition: dict[str, Any], ids: list[int]
) -> None:
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY, n bigint)")
    await captured_by(owner, selection("public.item", filters=[filtered("n", condition)]))
    await owner.execute("INSERT INTO public.item VALUES (1, 1), (2, 2), (3, 3), (4, NULL)")
    assert [after and after["id"] for after in await sent(owner)] == ids


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("total", "abc", 'invalid input syntax for type numeric: "abc"'),
        ("placed", "2026-02-30", "date/time field value out of range"),
        ("state", "gone", "invalid input value for enum"),
        ("note", "{}", "operator does not exist: json = unknown"),
    ],
)
async def test_a_filter_by_a_value_of_another_type_is_refused_by_its_rule_before_anything_is_done(
    owner: Connection, column: str, value: str, says: str
) -> None:
    await owner.execute("CREATE SCHEMA shop")
    await owner.execute("CREATE TYPE shop.state AS ENUM ('open', 'closed')")
    await owner.execute("CREATE DOMAIN shop.amount AS numeric NOT NULL")
    await owner.execute(
        'CREATE TABLE public."Order" (id integer PRIMARY KEY, total shop.amount, placed date, state shop.state, note json)'
    )
    sound = filtered("total", {"filter-operator": "between", "start-value": "1", "end-value": "1e3"})
    await compared(owner, selection("public.Order", filters=[sound]))
    rule = selection("public.Order", filters=[sound, filtered(column, {"filter-operator": "eq", "value": value})])
    with pytest.raises(Misconfigured) as raised:
        await compared(owner, rule)
    assert str(raised.value).startswith(
        f'public."Order": mappings.json: rule-id 1 cannot filter public."Order": {says}'
    )
    assert "\n" not in str(raised.value)


async def test_a_captured_table_that_its_rules_fit_no_more_holds_up_no_others_if_it_is_not_selected(
    owner: Connection,
) -> None:
    await owner.execute("CREATE TABLE public.card (id integer PRIMARY KEY, number text)")
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY)")
    masked = transformation("data-masking-digits-mask", "public.card.number", value="#")
    await captured_by(owner, selection("public.card"), masked)
    await owner.execute("ALTER TABLE public.card ALTER number TYPE integer USING number::integer")
    found = await captured_by(owner, selection("public.item"))
    (warning,) = found.warnings
    assert warning.startswith(
        "public.card: column number is no text, and cannot have its digits covered; mask or hash it; no rule selects the table any more"
    )
    assert await captured_tables(owner) == {"public.card", "public.item"}
    with pytest.raises(Misconfigured, match="rule-id 2 covers digits of column number"):
        await compared(owner, selection("public.%"), masked)


async def test_columns_are_removed_and_covered_before_anything_is_written(
    database: Database, owner: Connection
) -> None:
    await owner.execute(PERSON)
    await captured_by(
        owner,
        transformation("remove-column", "public.person.ssn"),
        transformation("data-masking-hash-mask", "%.%.email"),
        transformation("data-masking-digits-mask", "public.person.name", value="#"),
        selection("public.%"),
    )
    await owner.execute(f"INSERT INTO public.person VALUES (1, 'Room 101', '{MARKER}', '{MARKER}@example.org')")
    (after,) = await sent(owner)
    assert after is not None
    assert after.keys() == {"id", "name", "email", "born"}
    assert after["name"] == "Room ###"
    assert len(after["email"]) == 64
    await assert_hidden(database)


async def test_only_the_included_columns_and_the_key_are_sent(owner: Connection) -> None:
    await owner.execute(PERSON)
    await captured_by(
        owner,
        selection("public.%"),
        transformation("remove-column", "public.person.%"),
        transformation("include-column", "public.person.name"),
    )
    await owner.execute("INSERT INTO public.person VALUES (1, 'Ada', '1', 'a@b')")
    assert await sent(owner) == [{"id": 1, "name": "Ada"}]


async def test_a_column_that_comes_later_is_withheld_where_a_wildcard_may_mean_it(owner: Connection) -> None:
    await owner.execute(PERSON)
    rules = [selection("public.%"), transformation("remove-column", "public.person.s%")]
    await captured_by(owner, *rules)
    await owner.execute("ALTER TABLE public.person ADD COLUMN secret text, ADD COLUMN note text")
    await owner.execute("INSERT INTO public.person VALUES (1, 'Ada', '1', 'a@b', NULL, 'x', 'y')")
    await captured_by(owner, *rules)
    await owner.execute("INSERT INTO public.person VALUES (2, 'Eve', '1', 'a@b', NULL, 'x', 'y')")
    before, after = await sent(owner)
    assert before is not None
    assert after is not None
    assert before.keys() == {"id", "name", "email", "born"}
    assert after.keys() == {"id", "name", "email", "born", "note"}


async def test_a_column_that_is_given_the_name_of_a_removed_one_is_withheld(owner: Connection) -> None:
    """Whether a rule with a wildcard is for its table too, or not."""
    names = ("lone", "wild")
    for name in names:
        await owner.execute(f"CREATE TABLE public.{name} (id integer PRIMARY KEY, ssn text, pr1 text, d text)")
    rules = [
        selection("public.%"),
        transformation("remove-column", "public.%.ssn"),
        transformation("remove-column", "public.w%.pr%"),
    ]
    await captured_by(owner, *rules)
    for taken in ("ssn", "pr1"):
        await owner.execute(f"ALTER TABLE public.wild RENAME {taken} TO {taken}_old")
        await owner.execute(f"ALTER TABLE public.wild RENAME d TO {taken}")
        await owner.execute(f"INSERT INTO public.wild VALUES ({ord(taken[0])}, 'a', 'b', 'secret')")
        await owner.execute(f"ALTER TABLE public.wild RENAME {taken} TO d")
        await owner.execute(f"ALTER TABLE public.wild RENAME {taken}_old TO {taken}")
    await owner.execute("ALTER TABLE public.lone RENAME ssn TO old")
    await owner.execute("ALTER TABLE public.lone RENAME d TO ssn")
    await owner.execute("INSERT INTO public.lone VALUES (1, 'a', 'b', 'secret')")
    assert await sent(owner) == [{"id": ord("s")}, {"id": ord("p")}, {"id": 1, "pr1": "b"}]


async def test_a_table_rule_of_the_settings_counts_over_the_mappings(owner: Connection) -> None:
    await owner.execute(f"{PERSON}; CREATE TABLE public.item (id integer PRIMARY KEY)")
    await captured_by(
        owner,
        selection("public.person"),
        transformation("data-masking-hash-mask", "public.person.email"),
        transformation("data-masking-hash-mask", "public.person.ssn"),
        tables=[TableRule(match="public.person", columns={"mask": {"ssn": "***"}}), TableRule(match="public.item")],
    )
    await owner.execute("INSERT INTO public.person VALUES (1, 'Ada', '1', 'a@b')")
    (after,) = await sent(owner)
    assert after is not None
    assert (after["ssn"], len(after["email"])) == ("***", 64)
    assert await captured_tables(owner) == {"public.person", "public.item"}


async def test_capture_does_not_end_in_passing(owner: Connection) -> None:
    await owner.execute(f"{PERSON}; CREATE TABLE public.item (id integer PRIMARY KEY)")
    await captured_by(owner, selection("public.%"))
    found = await captured_by(owner, selection("public.person"))
    assert found.unnamed == ("public.item",)
    assert await captured_tables(owner) == {"public.person", "public.item"}


async def test_the_plan_says_in_words_what_each_rule_became(owner: Connection) -> None:
    await owner.execute(PERSON)
    found = await compared(
        owner,
        selection("public.%", filters=[filtered("born", {"filter-operator": "gte", "value": "1900-01-01"})]),
        transformation("remove-column", "public.person.ssn"),
        transformation("rename", "public.person", "table", value="people"),
        transformation("convert-uppercase", "public", "schema"),
        transformation("add-prefix", "%.%.na%", value="the_"),
        transformation("add-before-image-columns", "public.person", before_image_def={"column-filter": "pk-only"}),
        object_mapping("public.person", parameters={"partition_key_type": "primary-key"}),
        transformation("rename", "public.nobody", "table", value="x"),
        transformation("remove-column", "public.%.nothing"),
        {"rule-type": "table-settings", "object-locator": {"schema-name": "%", "table-name": "%"}, "parallel-load": {}},
        selection("public.%", "exclude") | {"object-locator": {"schema-name": "audit", "table-name": "%"}},
    )
    assert [line.replace(" of mappings.json", "") for line in found.options["public.person"]] == [
        "rule 1 selects it, where born is at least 1900-01-01",
        "rule 2 leaves out column ssn",
        "rule 3 calls it people in records",
        "rule 4 calls its schema PUBLIC in records",
        "rule 5 calls column name the_name in records",
        "rule 6 adds the old value of each key column as BI_COLUMN",
        "rule 9 leaves out column nothing, should the table get one",
        "rule 7 makes each column a member of a record, in records of format dms; its partition key is the primary key",
        """where = "(NEW.\\"born\\" >= '1900-01-01')" (by mappings.json)""",
        'columns.exclude = ["ssn", "nothing"] (by mappings.json)',
    ]
    assert [line.replace(" of mappings.json", "") for line in found.idle_rules] == [
        "rule 8 matches no captured table",
        "rule 9 matches no column of a captured table",
        "rule 10 is about how DMS loads a table and cuts large values; nothing is to be done for it here",
        "rule 11 leaves out audit.%",
    ]


async def test_the_plan_says_that_an_excluded_column_of_the_key_is_in_partition_keys(owner: Connection) -> None:
    await owner.execute(PERSON)
    without_id = {"exclude_columns": ["id", "ssn"]}
    for more, is_said in (({}, True), ({"partition_key_type": "constant", "partition_key_name": "x"}, False)):
        found = await compared(owner, selection(), object_mapping("public.person", parameters=without_id | more))
        (line,) = [line for line in found.options["public.person"] if line.startswith("rule 2")]
        assert ("partition keys, and partition-key-value, have column id of the key" in line) is is_said


async def test_the_plan_says_which_rule_counts_where_several_are_for_one_thing(owner: Connection) -> None:
    await owner.execute(PERSON)
    found = await compared(
        owner,
        selection(),
        transformation("remove-column", "public.person.%"),
        transformation("include-column", "public.person.name"),
        transformation("add-prefix", "%.%", "table", value="x"),
        transformation("rename", "public.person", "table", value="y"),
        transformation("convert-lowercase", "public.person.%"),
        transformation("rename", "public.person.name", value="who"),
    )
    lines = [
        line.replace(" of mappings.json", "") for line in found.options["public.person"] if line.startswith("rule ")
    ]
    assert lines == [
        "rule 1 selects it",
        "rule 2 leaves out columns ssn, email, born",
        "rule 3 sends only, beside the key, column name",
        "rule 4 gives way to rules that name it",
        "rule 5 calls it y in records",
        "rule 6 leaves the names of columns as they are",
        "rule 7 calls column name who in records",
    ]


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        (
            [selection("public.nobody")],
            "mappings.json selects no table that there is; its rules are for public.nobody; case counts",
        ),
        (
            [selection(filters=[filtered("nme", {"filter-operator": "null"})])],
            "rule-id 1 filters by column 'nme', which public.person does not have; did you mean 'name'?",
        ),
        (
            [selection(), transformation("remove-column", "public.person.snn")],
            "rule-id 2 names column 'snn', which public.person does not have; did you mean 'ssn'?",
        ),
        (
            [selection(), transformation("remove-column", "public.person.id")],
            "rule-id 2 removes column id.*write data-masking-hash-mask",
        ),
        (
            [selection(), transformation("data-masking-digits-randomize", "%.%.i%")],
            "rule-id 2 covers digits of column id of public.person, which is part of the key",
        ),
        (
            [
                selection(),
                transformation("data-masking-hash-mask", "public.person.s%"),
                transformation("data-masking-digits-randomize", "public.person.ss%"),
            ],
            "rule-ids 2 and 3 say different things of column ssn of public.person; leave one of them out",
        ),
        (
            [selection(), transformation("data-masking-digits-mask", "public.person.born", value="#")],
            "rule-id 2 covers digits of column born of public.person, which is no text; write data-masking-hash-mask instead",
        ),
        (
            [selection(), transformation("rename", "public.person.ssn", value="name")],
            "rule-id 2: columns name and ssn of public.person would both be called name",
        ),
        (
            [
                selection("public.person", filters=[filtered("id", {"filter-operator": "eq", "value": "1"})]),
                selection("public.person"),
            ],
            "rule-ids 1 and 2 say different things of table public.person",
        ),
        (
            [selection(), object_mapping("public.person", parameters={"exclude_columns": ["phone"]})],
            "rule-id 2 names column 'phone', which public.person does not have",
        ),
        (
            [
                selection(),
                object_mapping(
                    "public.person", parameters={"partition_key_type": "attribute-name", "partition_key_name": "x"}
                ),
            ],
            "rule-id 2 takes the partition key from 'x', which is neither an attribute that it maps nor a column of public.person",
        ),
    ],
)
async def test_rules_that_do_not_fit_the_tables_are_named(
    owner: Connection, rules: list[dict[str, Any]], problem: str
) -> None:
    await owner.execute(PERSON)
    with pytest.raises(Misconfigured, match=problem):
        await compared(owner, *rules)


@pytest.mark.parametrize("cut", ["before", "after"])
async def test_images_cut_down_to_the_key_are_refused_where_the_partition_key_is_made_of_another_column(
    owner: Connection, cut: str
) -> None:
    """A delete would go by the primary key, and updates of its row by that column."""
    await owner.execute(PERSON)

    def by(column: str) -> dict[str, Any]:
        keyed = {"partition_key_type": "attribute-name", "partition_key_name": column}
        return object_mapping("public.person", parameters=keyed)

    rule = TableRule.model_validate({"match": "public.person", cut: "key"})
    with pytest.raises(
        Misconfigured, match=f'{cut} = "key" leaves out column name of public.person, of which rule-id 2'
    ):
        await compared(owner, selection(), by("name"), tables=[rule])
    await compared(owner, selection(), by("id"), tables=[rule])
    await compared(
        owner, selection(), by("name"), tables=[TableRule.model_validate({"match": "person", cut: "changed"})]
    )


async def test_a_generated_column_that_tells_a_covered_one_is_warned_of(owner: Connection) -> None:
    await owner.execute(
        "CREATE TABLE public.card (id integer PRIMARY KEY, ssn text, note text,"
        " label text GENERATED ALWAYS AS (ssn || note) STORED, twice text GENERATED ALWAYS AS (note || note) STORED)"
    )
    without_ssn = transformation("remove-column", "%.%.ssn")
    (warning,) = (await compared(owner, selection(), without_ssn)).warnings
    assert warning == (
        "column label of public.card is generated from ssn, which the rules leave out or cover, and is sent as it is: leave out or cover label too"
    )
    hashed = transformation("data-masking-hash-mask", "public.card.label")
    assert not (await compared(owner, selection(), without_ssn, hashed)).warnings


async def test_two_tables_do_not_get_one_name(owner: Connection) -> None:
    await owner.execute(f"{PERSON}; CREATE TABLE public.person_old (id integer PRIMARY KEY)")
    with pytest.raises(
        Misconfigured, match=r"public\.person and public\.person_old would both be called public.person"
    ):
        await compared(owner, selection(), transformation("remove-suffix", "public.%", "table", value="_old"))


async def test_rules_that_agree_do_not_contradict_each_other(owner: Connection) -> None:
    """One that names the column counts before those with wildcards, whatever their order."""
    await owner.execute(PERSON)
    found = await compared(
        owner,
        selection(),
        selection("%.person"),
        transformation("data-masking-hash-mask", "public.person.ssn"),
        transformation("data-masking-digits-randomize", "public.%.s%"),
        transformation("data-masking-digits-randomize", "public.%.ss%"),
    )
    options = [line for line in found.options["public.person"] if line.startswith("columns.")]
    assert json.loads(options[0].removeprefix("columns.include = ").partition(" (")[0]) == [
        "id",
        "name",
        "ssn",
        "email",
        "born",
    ]
    assert options[1:] == ['columns.hash = ["ssn"] (by mappings.json)']


async def test_a_plain_table_that_comes_later_is_captured_at_its_creation_and_others_are_left_to_the_listener(
    database: Database, owner: Connection
) -> None:
    rules = [
        selection("public.%"),
        selection("public.excluded", "exclude"),
        transformation("remove-column", "public.covered.ssn"),
        transformation("rename", "public.named", "table", value="x"),
    ]
    async with connected(database.superuser_url) as superuser:
        await owner.execute("CREATE TABLE public.first (id integer PRIMARY KEY)")
        await captured_by(superuser, *rules, auto_attach=True)
    for name in ("plain", "excluded", "covered", "named"):
        await owner.execute(f"CREATE TABLE public.{name} (id integer PRIMARY KEY, ssn text)")
    assert await captured_tables(owner) == {"public.first", "public.plain", "public.named"}
