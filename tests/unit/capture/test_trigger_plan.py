"""What has to change, given what is there and what is desired."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from forwarder.capture.tables import KeyColumn, Member, Registered, Table, Trigger, key_columns, key_labels, registered
from forwarder.capture.trigger_plan import Decision, Forget, Install, Keep, Registration, RegistryRow, Remove, plan
from forwarder.capture.trigger_set import CAPTURE, FORMER_TRUNCATE, TRUNCATE, serialized, trigger_set
from forwarder.config.table_options import BeforeImage, TableOptions
from forwarder.database.quoting import literal

ID = KeyColumn(attnum=1, names=("id",))
LABELS = ('{"id":',)


def triggers(relation: str, id: int, *, before: str = "full") -> tuple[Trigger, ...]:
    return tuple(
        Trigger(
            relation=relation,
            name=name,
            function=function,
            type=type,
            has_condition=False,
            arguments=(str(id), before, *LABELS),
            sound=True,
            inherited=False,
        )
        for name, function, type in ((CAPTURE, "capture", 29), (TRUNCATE, "capture_truncate", 34))
    )


def table(name: str = "orders", *, relation: int = 100, captured_as: int | None = None) -> Table:
    quoted = f"public.{name}"
    return Table(
        relation=relation,
        schema="public",
        name=name,
        quoted=quoted,
        ancestors=(),
        columns={1: "id", 2: "note"},
        has_primary_key=True,
        key=(1,),
        scalars=frozenset({1, 2}),
        texts=frozenset({2}),
        uniform=True,
        key_is_deferrable=False,
        ambiguous_key_columns=(),
        members=(Member(quoted=quoted, truncates=True),),
        triggers=() if captured_as is None else triggers(quoted, captured_as),
    )


def row(name: str = "orders", *, id: int = 7, relation: int = 100, active: bool = True) -> Registered:
    return Registered(
        id=id,
        relation=relation,
        schema="public",
        name=name,
        quoted=f"public.{name}",
        key_columns=(ID,),
        active=active,
        options={},
    )


def partitioned(*, captured_as: int | None = None) -> list[Table]:
    """A captured partitioned table, and its partition."""
    leaf = replace(table("part_1", relation=101), ancestors=(100,))
    found: list[Trigger] = []
    if captured_as is not None:
        clone, truncate = triggers(leaf.quoted, captured_as)
        leaf = replace(leaf, triggers=(replace(clone, inherited=True), truncate))
        found = [*triggers("public.part", captured_as), *leaf.triggers]
    parent = table("part", relation=100)
    return [replace(parent, members=(*parent.members, *leaf.members), triggers=tuple(found)), leaf]


def decide(
    tables: list[Table], registry: list[Registered], *desired: int, before: BeforeImage = "full"
) -> list[Decision]:
    return plan(tables, registry, dict.fromkeys(desired, TableOptions(before=before)), prune=True)


def install(
    table: str,
    *,
    registered_id: int | None,
    before: BeforeImage = "full",
    reasons: tuple[str, ...] = (),
) -> Install:
    options = TableOptions(before=before)
    return Install(
        table=table,
        row=RegistryRow(before=before, key_columns=(ID,), options=json.dumps(options.set_ones)),
        key_labels=LABELS,
        triggers=trigger_set(options, columns=("id", "note"), key=("id",), treatments={}),
        registered_id=registered_id,
        reasons=reasons,
    )


def locked(name: str, mode: str) -> list[str]:
    body = f"BEGIN IF has_table_privilege(''{name}'', ''UPDATE, DELETE, TRUNCATE'') THEN LOCK TABLE {name} IN {mode} MODE; END IF; END"
    return [
        "SELECT set_config('statement_timeout', current_setting('lock_timeout'), true);",
        f"DO '{body}';",
        "SET LOCAL statement_timeout = 0;",
    ]


def repair(tables: list[Table], registry: list[Registered]) -> list[Decision]:
    return plan(tables, registry, registered(tables, registry), prune=False)


def test_a_table_new_to_us_is_installed() -> None:
    expected = install("public.orders", before="none", registered_id=None)
    assert decide([table()], [], 100, before="none") == [expected]


def test_a_table_that_is_in_order_is_kept() -> None:
    assert decide([table(captured_as=7)], [row()], 100) == [Keep(table="public.orders")]


@pytest.mark.parametrize("name", [CAPTURE, TRUNCATE])
def test_each_missing_trigger_is_noticed(name: str) -> None:
    found = table(captured_as=7)
    found = replace(found, triggers=tuple(trigger for trigger in found.triggers if trigger.name != name))
    (decision,) = decide([found], [row()], 100)
    assert isinstance(decision, Install)
    assert decision.registered_id == 7
    assert decision.reasons == ("triggers were missing",)


def test_a_disabled_trigger_is_noticed() -> None:
    found = table(captured_as=7)
    found = replace(found, triggers=(replace(found.triggers[0], sound=False), found.triggers[1]))
    (decision,) = decide([found], [row()], 100)
    assert isinstance(decision, Install)
    assert decision.reasons == ("a trigger was disabled or altered",)


@pytest.mark.parametrize("is_exchanged", [False, True])
def test_the_trigger_for_truncate_of_an_earlier_release_is_exchanged_once_and_not_dropped(
    *, is_exchanged: bool
) -> None:
    found = table(captured_as=7)
    former = replace(found.triggers[1], name=FORMER_TRUNCATE, function="capture", type=32, has_condition=is_exchanged)
    found = replace(found, triggers=(*found.triggers[: 1 + is_exchanged], former))
    (decision,) = decide([found], [row()], 100)
    if is_exchanged:
        assert decision == Keep(table="public.orders")
    else:
        assert isinstance(decision, Install)
        assert decision.reasons == ("the trigger for TRUNCATE was that of an earlier release",)
        assert decision.drops == []


def test_a_trigger_of_an_earlier_release_that_is_out_of_use_is_removed_with_the_others() -> None:
    found = table(captured_as=7)
    former = replace(found.triggers[1], name=FORMER_TRUNCATE, function="capture", type=32, has_condition=True)
    (decision,) = decide([replace(found, triggers=(*found.triggers, former))], [row()])
    assert isinstance(decision, Remove)
    assert former in decision.triggers


def test_another_before_image_is_installed_under_the_same_id() -> None:
    (decision,) = decide([table(captured_as=7)], [row()], 100, before="none")
    assert decision == install("public.orders", before="none", registered_id=7, reasons=("before image: full -> none",))


def test_a_rename_needs_the_registry_only() -> None:
    (decision,) = decide([table("invoices", captured_as=7)], [row()], 100)
    assert isinstance(decision, Registration)
    assert decision.reasons == ("renamed from public.orders",)


def test_a_table_dropped_and_created_again_is_registered_anew() -> None:
    assert decide([table(relation=200)], [row()], 200) == [
        Forget(table="public.orders", registered_id=7),
        install("public.orders", registered_id=None),
    ]


def test_a_restored_table_is_known_again_by_its_trigger() -> None:
    (decision,) = decide([table(relation=200, captured_as=7)], [row()], 200)
    assert isinstance(decision, Install)
    assert (decision.registered_id, decision.reasons) == (7, ("the table was restored",))


def test_restored_tables_that_exchanged_their_oids_keep_their_rows() -> None:
    tables = [table("a", relation=2, captured_as=1), table("b", relation=1, captured_as=2)]
    decisions = decide(tables, [row("a", id=1, relation=1), row("b", id=2, relation=2)], 1, 2)
    assert [(d.table, d.registered_id) for d in decisions if isinstance(d, Install)] == [
        ("public.a", 1),
        ("public.b", 2),
    ]


def test_a_copy_with_the_trigger_of_another_table_does_not_take_its_row() -> None:
    original, copy = table("orders_old", captured_as=7), table("orders", relation=200, captured_as=7)
    kept, installed = decide([original, copy], [row("orders_old")], 100, 200)
    assert kept == Keep(table="public.orders_old")
    assert isinstance(installed, Install)
    assert installed.registered_id is None


def test_a_table_selected_again_gets_its_row_back() -> None:
    (decision,) = decide([table()], [row(active=False)], 100)
    assert isinstance(decision, Install)
    assert decision.registered_id == 7


def test_a_table_no_longer_selected_loses_its_triggers() -> None:
    found = table(captured_as=7)
    assert decide([found], [row()]) == [Remove(table="public.orders", triggers=found.triggers, registered_id=7)]


def test_a_trigger_that_nothing_registered_is_removed() -> None:
    found = table(captured_as=3)
    assert decide([found], []) == [Remove(table="public.orders", triggers=found.triggers, registered_id=None)]


def test_what_was_removed_stays_as_it_is() -> None:
    assert decide([table()], [row(active=False)]) == []


def test_without_a_selection_the_registry_is_the_selection() -> None:
    tables = [table("a", relation=1), table("b", relation=2), table("c", relation=3, captured_as=9)]
    (decision,) = repair(tables, [row("a", id=1, relation=1), row("b", id=2, relation=2, active=False)])
    assert isinstance(decision, Install)
    assert decision.table == "public.a"


def test_without_a_selection_a_table_created_again_is_captured_again() -> None:
    forget, installation = repair([table(relation=200)], [row()])
    assert forget == Forget(table="public.orders", registered_id=7)
    assert isinstance(installation, Install)


def test_a_partition_is_no_business_of_its_own() -> None:
    assert decide(partitioned(captured_as=7), [row("part")], 100) == [Keep(table="public.part")]


def test_a_new_partition_is_given_its_trigger_for_truncate() -> None:
    parent, leaf = partitioned(captured_as=7)
    (decision,) = decide([replace(parent, triggers=parent.triggers[:-1]), leaf], [row("part")], 100)
    assert isinstance(decision, Install)
    assert decision.reasons == ("triggers were missing",)


def test_a_trigger_that_was_renamed_is_dropped_before_its_place_is_filled() -> None:
    found = table(captured_as=7)
    found = replace(found, triggers=(replace(found.triggers[0], name='a "name"'), found.triggers[1]))
    (decision,) = decide([found], [row()], 100)
    assert isinstance(decision, Install)
    assert decision.reasons == ("triggers were missing", "a trigger was renamed")
    look, *locking, drop, installation = decision.sql.splitlines()
    assert locking == locked("public.orders", "ACCESS EXCLUSIVE")
    assert look == "SELECT forwarder.watch_triggers(7);"
    assert drop == 'DROP TRIGGER IF EXISTS "a ""name""" ON public.orders;'
    assert installation.startswith("SELECT forwarder.install(")


# PostgreSQL 14 lets a partition's be renamed, and renames none with its parent's.
@pytest.mark.parametrize("renamed", ["public.part", "public.part_1"])
def test_a_partitions_trigger_goes_with_that_of_its_parent_whichever_was_renamed(renamed: str) -> None:
    parent, leaf = partitioned(captured_as=7)
    found = [
        replace(trigger, name="another") if (trigger.relation, trigger.name) == (renamed, CAPTURE) else trigger
        for trigger in parent.triggers
    ]
    (decision,) = decide([replace(parent, triggers=tuple(found)), leaf], [row("part")], 100)
    assert isinstance(decision, Install)
    assert {trigger.relation for trigger in decision.superfluous} == {"public.part"}
    assert found[0] in decision.superfluous


def test_removing_a_partitioned_table_drops_only_what_goes_by_no_other_drop() -> None:
    (decision,) = decide(partitioned(captured_as=7), [row("part")])
    assert isinstance(decision, Remove)
    assert [(trigger.relation, trigger.name) for trigger in decision.triggers] == [
        ("public.part", CAPTURE),
        ("public.part", TRUNCATE),
        ("public.part_1", TRUNCATE),
    ]


def test_a_partition_captured_alone_is_taken_over_by_its_parent() -> None:
    parent, leaf = partitioned()
    leaf = replace(leaf, triggers=triggers(leaf.quoted, 8))
    parent = replace(parent, triggers=leaf.triggers)
    assert decide([parent, leaf], [row("part_1", id=8, relation=101)], 100) == [
        Forget(table="public.part_1", registered_id=8),
        install("public.part", registered_id=None),
    ]


def test_a_partition_captured_alone_is_kept_while_its_parent_is_not_captured() -> None:
    parent, leaf = partitioned()
    leaf = replace(leaf, triggers=triggers(leaf.quoted, 8))
    parent = replace(parent, triggers=leaf.triggers)
    assert decide([parent, leaf], [row("part_1", id=8, relation=101)], 101) == [Keep(table="public.part_1")]


def test_a_detached_partition_loses_what_its_parent_left_on_it() -> None:
    leaf = table("part_1", relation=101)
    leaf = replace(leaf, triggers=triggers(leaf.quoted, 7)[1:])
    parent = table("part", captured_as=7)
    assert decide([parent, leaf], [row("part")], 100) == [
        Remove(table="public.part_1", triggers=leaf.triggers, registered_id=None),
        Keep(table="public.part"),
    ]


def test_a_renamed_key_column_keeps_its_older_names() -> None:
    renamed = replace(table(captured_as=7), columns={1: "order_id", 2: "note"})
    (decision,) = decide([renamed], [row()], 100)
    assert isinstance(decision, Install)
    assert decision.row.key_columns == (KeyColumn(attnum=1, names=("order_id", "id")),)
    assert decision.key_labels == ('{"order_id":',)
    assert decision.reasons == ("a trigger had other arguments",)


COMPOSITE = replace(table(), columns={1: "region", 2: "id", 3: "note"}, scalars=frozenset({1, 2, 3}), key=(2, 1))


@pytest.mark.parametrize(
    ("found", "labels"),
    [
        (table(), ('{"id":',)),
        (replace(table(), key=()), ()),
        (replace(table(), key=(2,)), (" ", ',"note":')),
        (COMPOSITE, (" ", ',"id":', '{"region":')),
        # What stands before the last column of the key may be JSON that holds its label.
        (replace(COMPOSITE, scalars=frozenset({2, 3})), (" ",)),
        (replace(COMPOSITE, scalars=frozenset({1, 2})), (" ", ',"id":', '{"region":')),
        # A partition has its columns in other places.
        (replace(table(), uniform=False), (" ",)),
        (replace(table(), columns={1: 'a "quoted" näme', 2: "note"}), ('{"a \\"quoted\\" näme":',)),
    ],
)
def test_a_key_is_found_in_an_image_by_its_labels_where_nothing_before_it_can_hold_them(
    found: Table, labels: tuple[str, ...]
) -> None:
    assert key_labels(found, key_columns(found, None)) == labels


def test_a_key_that_the_table_has_no_more_is_found_by_parsing_alone() -> None:
    without = replace(table(), columns={2: "note"}, key=())
    assert key_labels(without, (ID,)) == (" ",)


def test_a_dropped_primary_key_is_still_the_key() -> None:
    without = replace(table(), has_primary_key=False, key=(2,))
    assert key_columns(without, row()) == (ID,)


def test_a_key_whose_columns_were_dropped_is_given_up() -> None:
    without = replace(table(), has_primary_key=False, columns={2: "note"}, key=(2,))
    assert key_columns(without, row()) == (KeyColumn(attnum=2, names=("note",)),)


def test_another_primary_key_replaces_the_key() -> None:
    assert key_columns(replace(table(), key=(2, 1)), row()) == (KeyColumn(attnum=2, names=("note",)), ID)


@pytest.mark.parametrize(
    ("text", "sql"),
    [("plain", "'plain'"), ("it's", "'it''s'"), ("a\\b", "E'a\\\\b'"), ("'\\", "E'''\\\\'"), ("ü\n", "'ü\n'")],
)
def test_a_literal_is_quoted_as_quote_literal_does(text: str, sql: str) -> None:
    assert literal(text) == sql


def test_the_sql_of_an_installation_says_all_of_it() -> None:
    change = install('public."It\'s"', before="none", registered_id=7)
    columns = json.dumps([{"attnum": 1, "names": ["id"]}])
    look, *locking, installation = change.sql.splitlines()
    assert "LOCK TABLE" in locking[1]
    assert look == "SELECT forwarder.watch_triggers(7);"
    assert installation == (
        f"SELECT forwarder.install('public.\"It''s\"'::regclass, 'none', '{columns}', 7, ARRAY['{{\"id\":']::text[],"
        f""" '{{"before": "none"}}', '[]', '{serialized(change.triggers)}');"""
    )


def test_the_sql_of_a_removal_drops_before_it_forgets() -> None:
    change = Remove(table="public.orders", triggers=triggers("public.orders", 7), registered_id=7)
    assert change.sql.splitlines() == [
        *locked("public.orders", "ACCESS EXCLUSIVE"),
        'DROP TRIGGER IF EXISTS "00_forwarder_capture" ON public.orders;',
        'DROP TRIGGER IF EXISTS "zz_forwarder_truncate" ON public.orders;',
        "SELECT forwarder.forget(7);",
    ]
