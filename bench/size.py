"""How much is measured."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    round_seconds: int
    trigger_rounds: int
    drain_events: int
    lane_events: int
    latency_seconds: int
    memory_events: int
    held_seconds: int
    reclaim_seconds: int
    backlog_events: int
    giant_rows: int
    load_rows: int


FULL = Size(
    round_seconds=5,
    trigger_rounds=5,
    drain_events=500_000,
    lane_events=60_000,
    latency_seconds=10,
    memory_events=1_000_000,
    held_seconds=300,
    reclaim_seconds=30,
    backlog_events=10_000_000,
    giant_rows=5_000_000,
    load_rows=500_000,
)
QUICK = Size(
    round_seconds=1,
    trigger_rounds=1,
    drain_events=30_000,
    lane_events=20_000,
    latency_seconds=2,
    memory_events=100_000,
    held_seconds=30,
    reclaim_seconds=8,
    backlog_events=1_000_000,
    giant_rows=500_000,
    load_rows=50_000,
)
