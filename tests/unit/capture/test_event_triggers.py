"""Which event triggers there should be, and what to do so that there are."""

from __future__ import annotations

from msgspec.structs import replace

from forwarder.capture.event_triggers import (
    ATTACH,
    SCHEMA_EVENTS,
    EventTrigger,
    event_trigger_changes,
    missing_rights,
    wanted_triggers,
)


def test_each_setting_has_its_own() -> None:
    assert wanted_triggers(auto_attach=False, schema_events=False) == ()
    assert wanted_triggers(auto_attach=True, schema_events=False) == (ATTACH,)
    assert wanted_triggers(auto_attach=False, schema_events=True) == SCHEMA_EVENTS


def test_a_table_is_captured_before_it_is_told_of() -> None:
    names = [trigger.name for trigger in (ATTACH, *SCHEMA_EVENTS) if trigger.event == "ddl_command_end"]
    assert min(names) == ATTACH.name


def test_what_is_as_it_should_be_is_left_alone() -> None:
    assert event_trigger_changes([ATTACH], [ATTACH]) == ()
    assert missing_rights(()) == ()


def test_one_that_was_disabled_or_altered_is_made_anew_and_others_of_ours_are_dropped() -> None:
    other = EventTrigger(name='odd "name"', event="sql_drop", tags=(), function="tell_dropped")
    (change,) = event_trigger_changes([replace(ATTACH, is_enabled=False), other], [ATTACH])
    drop_ours, drop_other, create = change.sql.splitlines()
    assert drop_ours == 'DROP EVENT TRIGGER IF EXISTS "forwarder_attach";'
    assert drop_other == 'DROP EVENT TRIGGER IF EXISTS "odd ""name""";'
    assert create == ATTACH.creation


def test_who_may_not_make_them_is_told_what_follows_and_the_remedy() -> None:
    (attach,) = missing_rights(event_trigger_changes([], [ATTACH]))
    assert "within a minute" in attach
    assert "superuser" in attach
    (schema,) = missing_rights(event_trigger_changes([], SCHEMA_EVENTS))
    assert "within a minute" in schema
    (drop,) = missing_rights(event_trigger_changes([ATTACH], []))
    assert drop.endswith('a superuser can run DROP EVENT TRIGGER "forwarder_attach";')
