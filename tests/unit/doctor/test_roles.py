"""``forwarder.doctor.roles``."""

from __future__ import annotations

from dataclasses import replace

from forwarder.doctor.finding import Verdict
from forwarder.doctor.roles import TableRights, judge_migrate, judge_reading, judge_runtime, judge_superuser
from tests.checking import LISTENER, OWNER, as_found

OK, NOTE, WARNING, FAILURE = Verdict
TABLE = TableRights(quoted="public.orders", schema="public", may_trigger=True, may_select=True, hides_rows=False)


def test_who_may_migrate_is_told_by_schema_and_tables() -> None:
    barred = replace(TABLE, may_trigger=False)
    assert judge_migrate(OWNER, [TABLE]).verdict is OK
    assert judge_migrate(LISTENER, [TABLE]).verdict is NOTE
    assert judge_migrate(replace(OWNER, has_schema=False), []).verdict is OK
    assert "GRANT CREATE ON DATABASE app" in (judge_migrate(replace(LISTENER, has_schema=False), []).remedy or "")
    assert "GRANT TRIGGER ON public.orders TO app_owner" in (judge_migrate(OWNER, [barred]).remedy or "")


def test_who_may_listen_is_told_by_the_grants() -> None:
    assert judge_runtime(OWNER, is_runtime=False, missing=()).verdict is OK
    assert judge_runtime(LISTENER, is_runtime=True, missing=()).verdict is OK
    assert judge_runtime(LISTENER, is_runtime=True, missing=("GRANT …",)).remedy == "forwarder migrate, as app_owner"
    assert "--runtime-role listener" in (judge_runtime(LISTENER, is_runtime=False, missing=()).remedy or "")
    assert judge_superuser(replace(OWNER, is_superuser=True)).verdict is NOTE


def test_what_may_not_be_read_matters_where_it_is_to_be_loaded() -> None:
    barred, hidden = replace(TABLE, may_select=False), replace(TABLE, quoted="public.users", hides_rows=True)
    assert [one.verdict for one in judge_reading(OWNER, [TABLE], is_asked=True)] == [OK]
    assert [one.verdict for one in judge_reading(OWNER, [barred, hidden], is_asked=False)] == [NOTE, NOTE]
    first, second = judge_reading(LISTENER, [barred, hidden], is_asked=True)
    assert as_found(first)[0] is WARNING
    assert "GRANT SELECT ON public.orders TO listener" in (first.remedy or "")
    assert "BYPASSRLS" in (second.remedy or "")
