"""A mapping file of DMS from the trigger to the stream, as an operator and a consumer see it."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from tests.databases import Database, connected
from tests.described import task, tasks
from tests.listening import Operator, command
from tests.mapped import filtered, numbered, object_mapping, selection, transformation
from tests.waiting import eventually

RULES = [
    selection("public.%", filters=[filtered("id", {"filter-operator": "gte", "value": 1})]),
    transformation("rename", "public", "schema", value="crm"),
    transformation("add-prefix", "public.%", "table", value="t_"),
    transformation("convert-uppercase", "public.%.%"),
    transformation("remove-column", "public.person.ssn"),
    transformation("add-before-image-columns", "public.person", before_image_def={"column-filter": "all"}),
]
SETTINGS = 'table_mappings = "mappings.json"\n[capture]\nauto_attach = true\n'


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_records_have_the_names_and_columns_that_the_mappings_say(
    fresh_database: Database, tmp_path: Path
) -> None:
    changes = tmp_path / "changes"
    env = {"FORWARDER_DATABASE_URL": fresh_database.url, "FORWARDER_SINK": f"file:{changes}"}
    operator = Operator(env, tmp_path, {"forwarder.toml": SETTINGS, "mappings.json": numbered(*RULES)})
    async with connected(fresh_database.url) as owner:
        await owner.execute("CREATE TABLE public.person (id integer PRIMARY KEY, name text, ssn text)")
        await operator.says("migrate")
        await operator.says("migrate", "--check")
        await owner.execute("INSERT INTO public.person VALUES (0, 'Nobody', '0'), (1, 'Ada', '1')")
        await owner.execute("UPDATE public.person SET name = 'Eve'")
        await owner.execute("UPDATE public.person SET id = 2 WHERE id = 1")
    await operator.says("listen", "--once")
    found = [
        {name: record.get(name) for name in ("op", "schema", "table", "key", "before", "after")}
        for record in records(changes)
    ]
    of_table = {"schema": "crm", "table": "t_person"}
    ada, eve, moved = {"ID": 1, "NAME": "Ada"}, {"ID": 1, "NAME": "Eve"}, {"ID": 2, "NAME": "Eve"}
    assert found == [
        {"op": "insert", **of_table, "key": {"ID": 1}, "before": None, "after": ada},
        {"op": "update", **of_table, "key": {"ID": 1}, "before": ada, "after": {**eve, "BI_ID": 1, "BI_NAME": "Ada"}},
        {"op": "delete", **of_table, "key": {"ID": 1}, "before": eve, "after": None},
        {"op": "insert", **of_table, "key": {"ID": 2}, "before": None, "after": {**moved, "BI_ID": 1}},
    ]
    assert [record.get("moved_to") or record.get("moved_from") for record in records(changes)[2:]] == [
        {"ID": 2},
        {"ID": 1},
    ]


async def test_a_large_row_has_the_new_names_too(database: Database, tmp_path: Path) -> None:
    """Its images are in the database until it is sent."""
    changes, text = tmp_path / "changes", "x" * (2 << 20)
    rules = [selection("public.%"), transformation("rename", "public.page.body", value="text")]
    env = {
        "FORWARDER_DATABASE_URL": database.url,
        "FORWARDER_SINK": f"file:{changes}",
        "FORWARDER_TABLE_MAPPINGS": "mappings.json",
    }
    operator = Operator(env, tmp_path, {"mappings.json": numbered(*rules)})
    async with connected(database.url) as owner:
        await owner.execute("CREATE TABLE public.page (id integer PRIMARY KEY, body text)")
        await operator.says("migrate")
        await owner.execute("INSERT INTO public.page VALUES (1, $1)", text)
    await operator.says("listen", "--once")
    assert [record["after"] for record in records(changes)] == [{"id": 1, "text": text}]


async def test_a_table_that_comes_later_is_captured_as_the_mappings_say(
    fresh_database: Database, tmp_path: Path
) -> None:
    """By the listener, where nobody may create event triggers."""
    changes = tmp_path / "changes"
    env = {"FORWARDER_DATABASE_URL": fresh_database.url, "FORWARDER_SINK": f"file:{changes}"}
    files = {"forwarder.toml": SETTINGS, "mappings.json": numbered(*RULES)}
    operator = Operator(env, tmp_path, files)
    await operator.says("migrate")
    async with connected(fresh_database.url) as owner:
        await owner.execute("CREATE TABLE public.person (id integer PRIMARY KEY, name text, ssn text)")
        async with command("listen", env=env, directory=tmp_path / "listen", files=files) as listener:
            await listener.says("captured from now on")
        await owner.execute("INSERT INTO public.person VALUES (0, 'Nobody', '0'), (1, 'Ada', '1')")
    await operator.says("listen", "--once")
    assert [record["after"] for record in records(changes) if record["op"] == "insert"] == [{"ID": 1, "NAME": "Ada"}]


async def test_what_is_wrong_with_the_file_stops_every_command_at_its_start(database: Database, tmp_path: Path) -> None:
    rules = numbered(selection("public.%"), transformation("add-column", "public.a", value="b"))
    env = {
        "FORWARDER_DATABASE_URL": database.url,
        "FORWARDER_SINK": "stdout:",
        "FORWARDER_TABLE_MAPPINGS": "mappings.json",
    }
    operator = Operator(env, tmp_path, {"mappings.json": rules})
    for arguments in (["migrate", "--plan"], ["listen", "--once"]):
        said = await operator.says(*arguments, status=2)
        assert said.startswith("forwarder: mappings.json: rule-id 2: add-column: forwarder has no SQLite")
        assert said.count("\n") == 1
    assert "cannot read gone.json" in await operator.says("migrate", "--table-mappings", "gone.json", status=2)


async def test_partition_keys_that_break_the_order_of_a_row_are_refused_where_there_is_one(
    database: Database, tmp_path: Path
) -> None:
    by_transaction = object_mapping("public.a", parameters={"partition_key_type": "transaction-id"})
    env = {
        "FORWARDER_DATABASE_URL": database.url,
        "FORWARDER_SINK": "kinesis://changes?region=eu-west-1",
        "FORWARDER_TABLE_MAPPINGS": "mappings.json",
    }
    operator = Operator(env, tmp_path, {"mappings.json": numbered(selection("public.%"), by_transaction)})
    said = await operator.says("listen", "--once", status=2)
    assert "mappings.json: rule-id 2 has the transaction's id for a partition key" in said
    assert "add ordering=none to kinesis://changes, or choose another partition-key-type" in said


async def test_a_file_on_the_command_line_chooses_beside_the_patterns(database: Database, tmp_path: Path) -> None:
    files = {"mappings.json": numbered(selection("public.mapped")), "b.json": numbered(selection("public.other"))}
    operator = Operator({"FORWARDER_DATABASE_URL": database.url}, tmp_path, files)
    async with connected(database.url) as owner:
        for name in ("mapped", "other", "named"):
            await owner.execute(f"CREATE TABLE public.{name} (id integer PRIMARY KEY)")
    planned = await operator.says("migrate", "--table", "named", "--table-mappings", "mappings.json", "--plan")
    assert [name for name in ("mapped", "other", "named") if f"public.{name}: capture would be" in planned] == [
        "mapped",
        "named",
    ]


async def test_import_dms_overwrites_nothing_unless_it_is_told_to(tmp_path: Path) -> None:
    operator = Operator({}, tmp_path, {"mappings.json": numbered(selection("public.%")), "forwarder.toml": ""})
    refused = await operator.says("import-dms", "mappings.json", "--out", "forwarder.toml", status=2)
    assert "forwarder.toml is there already; write to another file, or add --force" in refused
    await operator.says("import-dms", "mappings.json", "--out", "forwarder.toml", "--force")
    assert "table_mappings" in (tmp_path / "run2/forwarder.toml").read_text()
    assert "cannot write x/y.toml" in await operator.says("import-dms", "mappings.json", "--out", "x/y.toml", status=2)


async def test_the_mappings_of_one_of_several_tasks_get_a_file_of_their_own(tmp_path: Path) -> None:
    several = tasks(task(), task(ReplicationTaskIdentifier="b", mappings=numbered(selection("public.b"))))
    operator = Operator({}, tmp_path, {"tasks.json": several})
    assert "add --out forwarder.toml" in await operator.says("import-dms", "tasks.json", "--task", "b", status=2)
    await operator.says("import-dms", "tasks.json", "--task", "b", "--out", "forwarder.toml")
    written = tmp_path / "run2"
    assert 'table_mappings = "table-mappings.json"' in (written / "forwarder.toml").read_text()
    (rule,) = json.loads((written / "table-mappings.json").read_text())["rules"]
    assert rule["object-locator"]["table-name"] == "b"


async def test_a_column_that_comes_later_and_that_rules_contradict_each_other_about_stops_no_sink(
    database: Database, tmp_path: Path
) -> None:
    changes = tmp_path / "changes"
    rules = [
        selection("public.%"),
        transformation("add-prefix", "public.%.a%", value="x_"),
        transformation("add-suffix", "public.%.%z", value="_x"),
    ]
    env = {"FORWARDER_DATABASE_URL": database.url, "FORWARDER_SINK": f"file:{changes}"}
    files = {"forwarder.toml": 'table_mappings = "mappings.json"\n', "mappings.json": numbered(*rules)}
    operator = Operator(env, tmp_path, files)
    async with connected(database.url) as owner:
        await owner.execute("CREATE TABLE public.page (id integer PRIMARY KEY, a text)")
        await operator.says("migrate")
        await owner.execute("ALTER TABLE public.page ADD az text")
        await owner.execute("INSERT INTO public.page VALUES (1, 'a', 'az'), (2, 'b', 'bz')")
    async with command("listen", "--once", env=env, directory=tmp_path / "listen", files=files) as listener:
        assert await listener.ends() == 0
    assert [record["after"] for record in records(changes)] == [
        {"id": 1, "x_a": "a", "az": "az"},
        {"id": 2, "x_a": "b", "az": "bz"},
    ]
    assert listener.stderr.count("rules contradict each other, and none of them counts") == 1
    assert "rule-ids 2 and 3 say different things of column az of public.page" in listener.stderr


async def test_a_file_that_migrate_has_not_seen_is_checked_when_listen_starts(
    database: Database, tmp_path: Path
) -> None:
    both_called_id = transformation("rename", "public.people.nm", value="id")
    env = {
        "FORWARDER_DATABASE_URL": database.url,
        "FORWARDER_SINK": "stdout:",
        "FORWARDER_TABLE_MAPPINGS": "mappings.json",
    }
    before = Operator(env, tmp_path / "before", {"mappings.json": numbered(selection("public.people"))})
    async with connected(database.url) as owner:
        await owner.execute("CREATE TABLE public.people (id integer PRIMARY KEY, nm text)")
    await before.says("migrate")
    changed = {"mappings.json": numbered(selection("public.people"), both_called_id)}

    async with command("listen", "--once", env=env, directory=tmp_path / "after", files=changed) as run:
        assert await run.ends() == 0

    (warning,) = [line for line in run.stderr.splitlines() if "the table mappings do not fit" in line]
    assert "rule-id 2: columns id and nm of public.people would both be called id" in warning
    assert "run `forwarder migrate`" in warning


async def test_a_file_that_fits_is_not_warned_of(database: Database, tmp_path: Path) -> None:
    env = {
        "FORWARDER_DATABASE_URL": database.url,
        "FORWARDER_SINK": "stdout:",
        "FORWARDER_TABLE_MAPPINGS": "mappings.json",
    }
    files = {
        "mappings.json": numbered(selection("public.people"), transformation("rename", "public.people.nm", value="NM"))
    }
    async with connected(database.url) as owner:
        await owner.execute("CREATE TABLE public.people (id integer PRIMARY KEY, nm text)")
    await Operator(env, tmp_path, files).says("migrate")
    async with command("listen", "--once", env=env, directory=tmp_path / "listen", files=files) as run:
        assert await run.ends() == 0
    assert "warning" not in run.stderr


async def test_migrate_warns_of_a_file_that_listen_would_not_read(database: Database, tmp_path: Path) -> None:
    rename = transformation("rename", "public.people.nm", value="NM")
    files = {"mappings.json": numbered(selection("public.people"), rename)}
    env = {"FORWARDER_DATABASE_URL": database.url}
    async with connected(database.url) as owner:
        await owner.execute("CREATE TABLE public.people (id integer PRIMARY KEY, nm text)")
    arguments = ("migrate", "--table-mappings", "mappings.json")
    async with command(*arguments, env=env, directory=tmp_path / "migrate", files=files) as run:
        assert await run.ends() == 0
    assert "forwarder: warning: rule-id 2 of mappings.json is about records" in run.stderr


async def test_a_table_that_a_rule_does_not_fit_is_held_back_and_no_other_waits_for_it(
    fresh_database: Database, tmp_path: Path
) -> None:
    rules = [selection("public.%"), transformation("data-masking-digits-mask", "public.%.card", value="#")]
    operator = Operator({"FORWARDER_DATABASE_URL": fresh_database.url}, tmp_path, {"mappings.json": numbered(*rules)})
    migrate = ("migrate", "--table-mappings", "mappings.json")
    rule = "mappings.json: rule-id 2 covers digits of column card of"
    ending = "the rules do not fit 1 of 2 selected tables, as said above; no other table waits for them;"
    async with connected(fresh_database.url) as owner:
        await owner.execute("CREATE TABLE public.person (id integer PRIMARY KEY, card text)")
        await operator.says(*migrate)
        await owner.execute("ALTER TABLE public.person ALTER card TYPE integer USING card::integer")
        await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY)")
        for mode in (["--plan"], ["--check"], ["--sql"], [], ["--remove"]):
            said = await operator.says(*migrate, *mode, status=2)
            assert f"forwarder: public.person: {rule} public.person, which is no text;" in said, mode
            assert "write data-masking-hash-mask instead" in said
            assert "; its capture is left as it is until then" in said
            assert ending in said
        await owner.execute("CREATE TABLE public.other (id integer PRIMARY KEY, card bigint)")
        said = await operator.says(*migrate, status=2)
        assert f"forwarder: public.other: {rule} public.other, which is no text;" in said
        assert "; it is not captured until then" in said
        for table in ("person", "item", "other"):
            await owner.execute(f"INSERT INTO public.{table} (id) VALUES (1)")
        rows = await owner.fetch("SELECT relation::regclass::text AS name FROM forwarder.outbox ORDER BY seq")
        assert [row["name"] for row in rows] == ["person", "item"]


async def test_a_condition_of_a_table_rule_that_does_not_fit_its_types_is_told_by_the_plan(
    database: Database, tmp_path: Path
) -> None:
    settings = "[[table]]\nmatch = 'item'\nwhere = \"NEW.placed > 'yesterda'\"\n[[table]]\nmatch = 'other'\n"
    operator = Operator({"FORWARDER_DATABASE_URL": database.url}, tmp_path, {"forwarder.toml": settings})
    async with connected(database.url) as owner:
        await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY, placed date)")
        await owner.execute("CREATE TABLE public.other (id integer PRIMARY KEY)")
        # Whoever has a table locked keeps nobody from reading the types of its columns.
        async with owner.transaction():
            await owner.execute("LOCK TABLE public.other")
            said = await operator.says("migrate", "--plan", status=2)
    assert (
        "forwarder: public.item: where of [[table]] 'item' is no condition for rows of public.item: invalid input syntax for type date:"
        ' "yesterda"; correct it; it is not captured until then' in said
    )
    assert "the rules do not fit 1 of 2 selected tables" in said


async def test_a_column_and_a_table_that_come_later_take_no_name_of_others_and_are_warned_of(
    fresh_database: Database, tmp_path: Path
) -> None:
    changes = tmp_path / "changes"
    rules = [
        selection("public.%"),
        transformation("rename", "%.%.name", value="full_name"),
        transformation("convert-lowercase", "%.%", "table"),
    ]
    env = {"FORWARDER_DATABASE_URL": fresh_database.url, "FORWARDER_SINK": f"file:{changes}"}
    files = {"forwarder.toml": SETTINGS, "mappings.json": numbered(*rules)}
    async with connected(fresh_database.url) as owner:
        await owner.execute("CREATE TABLE public.people (id integer PRIMARY KEY, name text)")
        await Operator(env, tmp_path, files).says("migrate")
        async with command("listen", env=env, directory=tmp_path / "listen", files=files) as listener:
            await owner.execute("INSERT INTO public.people VALUES (1, 'N1')")
            await eventually(partial(_has, changes, 1))
            await owner.execute('CREATE TABLE public."People" (id integer PRIMARY KEY)')
            await listener.says("captured from now on")
            await owner.execute("ALTER TABLE public.people ADD full_name text")
            await owner.execute("""INSERT INTO public."People" VALUES (1)""")
            await owner.execute("INSERT INTO public.people VALUES (2, 'N2', 'own')")
            await owner.execute("UPDATE public.people SET name = 'N3' WHERE id = 2")
            await eventually(partial(_has, changes, 4))
            await listener.stop()
    found = [(record["table"], record["after"]) for record in records(changes)]
    assert found == [
        ("people", {"id": 1, "full_name": "N1"}),
        ("People", {"id": 1}),
        ("people", {"id": 2, "name": "N2", "full_name": "own"}),
        ("people", {"id": 2, "name": "N3", "full_name": "own"}),
    ]
    assert listener.stderr.count("would both be called full_name") == 1
    assert listener.stderr.count("would both be called public.people") == 1


async def _has(changes: Path, count: int) -> bool:
    return await anyio.Path(changes).exists() and len(records(changes)) == count


async def test_a_table_s_name_is_nothing_that_a_terminal_would_obey(database: Database, tmp_path: Path) -> None:
    """Whoever may create tables names them."""
    evil = "evil\x1b[2J\n2026 info leading sink=all-is-well"
    env = {"FORWARDER_DATABASE_URL": database.url}
    async with connected(database.url) as owner:
        await owner.execute(f'CREATE TABLE public."{evil}" (id integer PRIMARY KEY)')
    operator = Operator(env, tmp_path, {})
    for option in ("--plan", "--check"):
        said = await operator.says("migrate", "--table", "public.*", option, status=int(option == "--check"))
        assert "\x1b" not in said
        assert "\n2026" not in said
    planned = await operator.says("migrate", "--table", "public.*", "--plan")
    assert 'public."evil\\u001b[2J\\u000a2026 info leading sink=all-is-well": capture would be installed' in planned
