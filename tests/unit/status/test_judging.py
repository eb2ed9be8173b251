"""What is said of sinks and of the whole, by what was read and announced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from forwarder.config.settings import OutboxSettings
from forwarder.outbox.backlog_warnings import Backlog
from forwarder.outbox.ring import Leaf, Ring
from forwarder.status.composing import Scene, composed, composed_blind
from forwarder.status.document import Document
from forwarder.status.facts import Catalogue, Facts, SinkFacts, TableFacts
from forwarder.store.listeners import Announcement, Figures, Listener, ShardFigures, Standing
from forwarder.store.loads import Load, LoadState
from forwarder.store.statistics import TableStatistics

NOW = 1_800_000_000.0
SCENE = Scene(outbox=OutboxSettings(), targets={}, patterns={})
ORDERS = TableFacts(id=1, schema="public", name="orders", is_captured=True)


def time(ago: float = 0.0) -> datetime:
    return datetime.fromtimestamp(NOW, UTC) - timedelta(seconds=ago)


def sink(name: str = "changes", **members: Any) -> SinkFacts:
    defaults = {
        "delivered_seq": 7,
        "saved_at": NOW - 1,
        "is_led": True,
        "leads_as_listener": True,
        "leader_pid": 4711,
        "leader_address": "10.0.0.7",
    }
    return SinkFacts(name=name, **{**defaults, **members})


def unled(name: str = "changes") -> SinkFacts:
    return sink(name, is_led=False, leads_as_listener=False, leader_pid=None, leader_address=None)


def listener(
    phase: str = "leading", *, ago: float = 1.0, id: str = "a", name: str = "changes", **standing: Any
) -> Listener:
    return Listener(
        id=id,
        host=f"host-{id}",
        pid=7,
        version="1",
        started_at=time(100),
        seen_at=time(ago),
        silent_seconds=ago,
        says=Announcement(sinks={name: Standing(target="kinesis://changes", phase=phase, **standing)}, wake="doorbell"),
    )


def ring(size: int = 8192, *, full: Sequence[int] = ()) -> Ring:
    leaves = [
        Leaf(
            number=number,
            name=f"forwarder.outbox_{number}",
            is_empty=number not in full,
            bytes=size // 8,
            newest_seq=number * 100 + 50 if number in full else None,
            newest_age_seconds=1e6 if number in full else None,
        )
        for number in range(8)
    ]
    return Ring(leaves=leaves, leaf_events=100, last_seq=750, open_seconds=None)


def facts(*sinks: SinkFacts, **members: Any) -> Facts:
    defaults: dict[str, Any] = {
        "at": NOW,
        "database": "db:5432/app",
        "backlogs": {one.name: Backlog(sink=one.name, waiting_seconds=None) for one in sinks},
        "listeners": [listener()],
        "ring": ring(),
        "oldest_at": None,
        "loads": [],
        "paused_ids": frozenset(),
        "is_armed": True,
        "writers": 0,
    }
    return Facts(sinks=sinks, **{**defaults, **members})


def document(
    *sinks: SinkFacts,
    catalogue: Catalogue | None = None,
    own: Listener | None = None,
    scene: Scene = SCENE,
    **members: Any,
) -> Document:
    return composed(scene, facts(*sinks, **members), catalogue or Catalogue(tables=[ORDERS]), own)


def backlog(changes: int, seconds: float, *, letters: int = 0) -> Mapping[str, Backlog]:
    return {"changes": Backlog(sink="changes", waiting_seconds=seconds, changes=changes, dead_letters=letters)}


def test_all_is_well_where_a_leader_delivers_and_nothing_waits() -> None:
    told = document(sink())
    assert (told.is_well, told.summary) == (True, "sink 'changes' is delivered to, and nothing waits")
    assert told.sinks[0].state == "delivering"
    assert told.sinks[0].leader
    assert told.sinks[0].leader.host == "host-a"
    assert (told.sinks[0].seconds_left, told.sinks[0].lag_seconds) == (0.0, 0.0)
    assert told.doorbell
    assert told.doorbell.mode == "doorbell"


def test_a_leader_in_trouble_is_stuck_and_its_trouble_is_the_headline() -> None:
    told = document(sink(), listeners=[listener(trouble="stream changes: AccessDenied; allow kinesis:PutRecords")])
    assert (told.sinks[0].state, told.is_well) == ("stuck", False)
    assert (told.summary, told.remedy) == ("stream changes: AccessDenied", "allow kinesis:PutRecords")


def test_a_trouble_without_a_remedy_gets_one() -> None:
    told = document(sink(), listeners=[listener(trouble="stream changes: no answer")])
    assert "nothing is lost" in told.remedy


@pytest.mark.parametrize(
    ("sinks", "listeners", "state", "said"),
    [
        (unled(), [], "unled", "no listener serves"),
        # Killed a moment ago: the lock is gone, the row is not.
        (unled(), [listener()], "unled", "no listener serves"),
        # Gone for long.
        (unled(), [listener("standby", ago=20.0)], "unled", "no listener serves"),
        (unled(), [listener("standby")], "starting", "one is about to"),
        (unled(), [listener("starting")], "starting", "one is about to"),
        (unled(), [listener("starting", trouble="stream changes: no such stream")], "stuck", "no such stream"),
        (sink(leads_as_listener=False, usurpation="a stranger leads; end it"), [], "unled", "a stranger leads"),
    ],
)
def test_a_sink_that_nobody_leads_is_not_well(
    sinks: SinkFacts, listeners: Sequence[Listener], state: str, said: str
) -> None:
    told = document(sinks, listeners=listeners)
    assert told.sinks[0].state == state
    assert not told.is_well
    assert said in told.summary
    assert told.remedy


def test_a_leader_that_has_not_told_of_itself_counts_as_one_that_delivers() -> None:
    told = document(sink(), listeners=[listener(ago=20.0)])
    assert (told.is_well, told.sinks[0].state, told.sinks[0].live) == (True, "delivering", None)
    assert told.sinks[0].trouble
    assert "10.0.0.7" in told.sinks[0].trouble.text
    # What it was set up for holds still.
    assert told.sinks[0].target == "kinesis://changes"


def test_of_two_that_say_they_lead_the_one_that_was_heard_last_is_believed() -> None:
    told = document(sink(), listeners=[listener(id="killed", ago=4.0), listener(id="new", ago=0.5)])
    assert told.sinks[0].leader
    assert told.sinks[0].leader.host == "host-new"


def test_a_process_knows_itself_better_than_what_it_wrote() -> None:
    told = document(sink(), listeners=[listener(ago=9.0, trouble="was so")], own=listener(ago=0.0))
    assert (told.is_well, told.sinks[0].trouble) == (True, None)


def test_standbys_are_listed() -> None:
    told = document(sink(), listeners=[listener(), listener("standby", id="b")])
    assert [standby.host for standby in told.standbys] == ["host-b"]


def test_a_configured_sink_that_was_never_served_is_named() -> None:
    scene = Scene(outbox=OutboxSettings(), targets={"new": "file:x"}, patterns={})
    told = document(sink(), scene=scene)
    assert [(one.name, one.state, one.target) for one in told.sinks][1] == ("new", "unled", "file:x")
    assert not told.is_well


def test_a_late_sink_is_not_well_unless_it_catches_up() -> None:
    late = document(sink(), backlogs=backlog(5000, 7200.0))
    assert (late.is_well, late.sinks[0].seconds_left) == (False, None)
    assert "for 2.0 h" in late.summary
    falling = listener(figures=Figures(delivered_per_second=100.0, backlog_fall_per_second=50.0))
    catching_up = document(sink(), backlogs=backlog(5000, 7200.0), listeners=[falling])
    assert (catching_up.is_well, catching_up.sinks[0].seconds_left) == (True, 100.0)
    assert "needs 100 s more" in catching_up.warnings[0].text


def test_what_is_under_way_is_no_backlog_that_has_to_fall() -> None:
    busy = listener(figures=Figures(delivered_per_second=100.0, backlog_fall_per_second=-10.0))
    assert document(sink(), backlogs=backlog(200, 0.3), listeners=[busy]).sinks[0].seconds_left == 2.0


def test_dead_letters_and_failed_loads_are_warnings_with_their_remedy() -> None:
    failed = load(LoadState.FAILED, error="the table is gone; create it")
    told = document(sink(), backlogs=backlog(0, 0.0, letters=3), loads=[failed])
    assert told.is_well
    texts = [warning.text for warning in told.warnings]
    assert texts[0] == "3 changes were set aside for sink 'changes'"
    assert texts[1] == "the load of public.orders for sink 'changes' has failed: the table is gone"
    assert told.warnings[1].remedy.startswith("create it; then forwarder load public.orders")
    # The first of them is named at once, with what to do.
    assert told.summary == f"sink 'changes' is delivered to, and nothing waits; but {texts[0]} (and 1 more)"
    assert told.remedy == told.warnings[0].remedy
    assert all(warning.remedy for warning in told.warnings)


def load(state: LoadState, **members: Any) -> Load:
    defaults: dict[str, Any] = {
        "part": "{}",
        "begun": None,
        "place": None,
        "rows": 250,
        "bytes": 1000,
        "estimated_rows": 1000,
        "error": None,
        "requested_at": time(20),
        "started_at": time(10),
        "updated_at": time(),
        "finished_at": None,
    }
    return Load(
        number=1, sink="changes", table_id=1, schema="public", name="orders", state=state, **{**defaults, **members}
    )


def test_a_load_under_way_shows_in_its_table_with_the_time_left() -> None:
    told = document(sink(), loads=[load(LoadState.RUNNING)])
    assert (told.tables[0].state, told.tables[0].detail) == ("loading", "running, 25 %")
    assert told.loads[0].seconds_left == 30.0


def test_paused_capture_is_the_worst_of_a_table() -> None:
    told = document(
        sink(), paused_ids=frozenset({1}), catalogue=Catalogue(tables=[ORDERS], drift={1: "off"}, missed={1})
    )
    assert told.tables[0].state == "paused"
    assert not told.is_well
    assert "changes are being missed" in told.summary


def test_missed_changes_stand_before_the_stuck_sink_that_they_are_missed_for() -> None:
    told = document(
        sink(),
        listeners=[listener(trouble="no such stream; create it")],
        backlogs=backlog(9, 1.0),
        paused_ids=frozenset({1}),
        ring=ring(1 << 40),
    )
    assert told.summary == "capture is paused, and changes are being missed: the outbox is above max_bytes (and 1 more)"
    assert told.remedy.startswith("get sink 'changes' going: no such stream; then compare")
    assert told.warnings[1].remedy == "the late sinks hold it"


def test_a_late_sink_says_whether_its_stream_throttles_or_one_key_waits() -> None:
    def said(*, seconds: float = 6.0, **figures: Any) -> tuple[str, str]:
        leader = listener(figures=Figures(**figures))
        told = document(sink(), backlogs=backlog(900, seconds), listeners=[leader])
        assert told.is_well == (figures.get("delivered_per_second") != 0.0)
        return told.summary, told.remedy

    one, other = ShardFigures(name="s-1", share=0.5, throttles=90), ShardFigures(name="s-2", share=0.5, throttles=80)
    summary, remedy = said(shards=[one, other], delivered_per_second=10.0)
    assert "has throttled 170 records in the last minute" in summary
    assert "more shards, or" in remedy
    summary, remedy = said(shards=[one, ShardFigures(name="s-2", share=0.5, throttles=1)], delivered_per_second=10.0)
    assert "nearly all on s-1" in summary
    assert "more shards do not help" in remedy
    # Where nothing comes through it is not well.
    assert said(shards=[one, other], delivered_per_second=0.0)[0].startswith("the stream of sink")
    summary, remedy = said(hot_lanes=[800, 20], memory_records=1000)
    assert "800 of the 1,000 records that sink 'changes' has in memory wait behind one key" in summary
    assert "aggregation=kpl" in remedy
    # What is refused now and then, short lanes, and a sink that keeps up are nothing to look at.
    assert said(shards=[one, other], delivered_per_second=1000.0)[1] == ""
    assert said(hot_lanes=[300, 20], memory_records=320)[1] == ""
    assert said(hot_lanes=[800, 20], memory_records=1000, seconds=1.0)[1] == ""


def test_drift_is_not_well_and_a_gap_is_a_warning() -> None:
    drifted = document(sink(), catalogue=Catalogue(tables=[ORDERS], drift={1: "a trigger was disabled"}, missed={1}))
    assert (drifted.is_well, drifted.tables[0].state) == (False, "drifted")
    assert drifted.summary == "not captured as it should be: public.orders (a trigger was disabled)"
    assert "forwarder migrate" in drifted.remedy
    gap = document(sink(), catalogue=Catalogue(tables=[ORDERS], gaps={"public.orders": "capture interrupted, 3 s ago"}))
    assert (gap.is_well, gap.tables[0].state) == (True, "gap")
    assert "forwarder verify public.orders" in gap.tables[0].detail


def test_a_sink_has_the_tables_that_its_listener_says_it_is_for() -> None:
    other = TableFacts(id=2, schema="shop", name="items", is_captured=True)
    told = document(sink(), listeners=[listener(tables=["shop.*"])], catalogue=Catalogue(tables=[ORDERS, other]))
    assert [table.table for table in told.tables] == ["shop.items"]


def test_tables_have_what_was_counted_of_them_also_those_that_are_captured_no_longer() -> None:
    gone = TableFacts(id=2, schema="public", name="old", is_captured=False)
    never = TableFacts(id=3, schema="public", name="older", is_captured=False)
    counted = [
        counts(1, "public.orders", inserts=5),
        counts(2, "public.old", deletes=1),
        counts(0, "forwarder.event", others=2),
    ]
    told = document(sink(), catalogue=Catalogue(tables=[ORDERS, gone, never], statistics=counted))
    assert [(table.table, table.state, table.inserts, table.deletes, table.others) for table in told.tables] == [
        ("public.orders", "captured", 5, 0, 0),
        ("public.old", "removed", 0, 1, 0),
        ("forwarder.event", "captured", 0, 0, 2),
    ]


def counts(table_id: int, name: str, **members: int) -> TableStatistics:
    none = dict.fromkeys(
        ("inserts", "updates", "deletes", "truncates", "reads", "schema_changes", "others", "bytes", "errors"), 0
    )
    return TableStatistics(
        sink="changes",
        table_id=table_id,
        table=name,
        last_change_at=None,
        last_delivered_at=None,
        **{**none, **members},
    )


def test_leaves_have_states_of_their_own() -> None:
    # Leaf 7 is in use, 0 is the next one. 2 is delivered, 5 is not.
    told = document(sink(delivered_seq=300), ring=ring(full=(2, 5, 7)))
    assert told.outbox
    assert [leaf.state for leaf in told.outbox.leaves] == [
        "empty", "empty", "emptying", "empty", "empty", "full", "empty", "current"
    ]  # fmt: skip


def test_without_a_table_or_a_sink_nothing_is_delivered() -> None:
    assert document(sink(), catalogue=Catalogue(tables=[])).summary == "no table is captured"
    assert not document(listeners=[]).is_well


def test_without_the_database_the_document_says_so_with_what_the_process_knows() -> None:
    own = listener(figures=Figures(in_flight=3))
    told = composed_blind(SCENE, "cannot connect to PostgreSQL at db; see", own, at=time(), database="db")
    assert (told.is_well, told.summary, told.remedy) == (False, "cannot connect to PostgreSQL at db", "see")
    assert told.sinks[0].live
    assert told.sinks[0].live.in_flight == 3
    assert (told.sinks[0].lag_events, told.sinks[0].delivered_seq, told.outbox) == (None, None, None)
    assert composed_blind(SCENE, "away", None, at=time(), database="db").sinks == []


def test_warnings_that_several_processes_tell_are_told_once() -> None:
    told = document(
        sink(), listeners=[listener(warnings=["x; do y"]), listener("standby", id="b", warnings=["x; do y"])]
    )
    assert [(warning.text, warning.remedy) for warning in told.warnings] == [("x", "do y")]
