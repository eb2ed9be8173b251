"""What a listener might say of itself, as documents that move with time: for the page of `forwarder listen`, which is tried with each."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random

from forwarder.status.document import (
    Document,
    Doorbell,
    History,
    Leaf,
    Live,
    Load,
    Outbox,
    Point,
    Process,
    Shard,
    Sink,
    Table,
    Trouble,
)

SECONDS_OF_HISTORY = 900
LONG = "orders_of_all_tenants_of_the_european_region_with_their_order_lines_and_vouchers"
NOUNS = [
    "orders",
    "order_lines",
    "customers",
    "invoices",
    "payments",
    "shipments",
    "products",
    LONG,
    "stock",
    "returns",
]
STUCK = Trouble(
    text="stream changes does not exist in eu-central-1 (for 4 min)",
    remedy="Create it with `aws kinesis create-stream --stream-name changes`, or name another in `sink`. Nothing is lost meanwhile.",
    is_urgent=True,
)


def point(second: int, *, rate: float, behind: float | None = 0.0) -> Point:
    """A second of a sink that takes about ``rate`` changes a second."""
    random = Random(second)
    captured = max(
        0.0, rate * (1 + 0.25 * math.sin(second / 97) + 0.1 * math.sin(second / 13)) + random.gauss(0, rate / 14)
    )
    delivered = 0.0 if behind else max(0.0, captured + random.gauss(0, rate / 30))
    oldest = behind if behind else (random.uniform(0.004, 0.03) if rate else 0.0)
    p50 = 11 + 3 * math.sin(second / 40) + random.random() * 2 if delivered else None
    p99 = p50 and p50 * random.uniform(1.8, 3.6) + (60 if second % 211 < 3 else 0)
    return Point(
        captured=round(captured, 1), delivered=round(delivered, 1), oldest_seconds=oldest, p50_ms=p50, p99_ms=p99
    )


def live(second: int, *, rate: float, shards: int = 4, behind: float = 0.0, throttles: int = 0) -> Live:
    random = Random(second // 3)
    now = point(second, rate=rate, behind=behind)
    parts = [random.uniform(0.8, 1.2) * (3 if number == 2 else 1) for number in range(shards)]
    names = [f"shardId-{number:012d}" for number in range(shards)]
    return Live(
        phase="leading",
        now=now,
        captured_per_second=now.captured,
        delivered_per_second=now.delivered,
        bytes_per_second=now.delivered * 611,
        requests_per_second=now.delivered / 55,
        in_flight=min(20, round(now.delivered / 90)),
        memory_records=round(now.captured * (10 if behind else 1)),
        memory_bytes=round(now.captured * 650 * (10 if behind else 1)),
        request_p50_ms=now.p50_ms,
        request_p99_ms=now.p99_ms,
        latency_p50_ms=now.p50_ms and now.p50_ms + 3,
        latency_p99_ms=now.p99_ms and now.p99_ms + 9,
        shards=[
            Shard(name=name, share=part / sum(parts), throttles=throttles if number == 2 else 0)
            for number, (name, part) in enumerate(zip(names, parts, strict=True))
        ],
        hot_lanes=sorted((random.randrange(2, 900) for _ in range(5 if rate > 100 else 0)), reverse=True),
    )


class Scene:
    """A listener, its database and its sinks, by name of what is the matter with them."""

    def __init__(self, name: str, *, began_at: float) -> None:
        self._documents: Mapping[str, Callable[[int], Document]] = {
            "calm": self._calm,
            "load": self._load,
            "sinks": self._sinks,
            "stuck": self._stuck,
            "unled": self._unled,
            "tables": self._tables,
            "away": self._away,
        }
        self.name = name
        self._began_at = began_at

    @staticmethod
    def names() -> Sequence[str]:
        """All there are."""
        return list(Scene("calm", began_at=0)._documents)

    def document(self, second: int) -> Document:
        """What is said at a second since the epoch."""
        return self._documents[self.name](second)

    def history(self, second: int) -> History:
        """What came before that second."""
        sinks = {sink.name: sink.live for sink in self.document(second).sinks if sink.live}
        rates = {"load": 2400.0, "tables": 2400.0, "sinks": 700.0}
        stuck_at = int(self._began_at) - 240 if self.name == "stuck" else second
        seconds = range(second - SECONDS_OF_HISTORY + 1, second + 1)
        rate = rates.get(self.name, 42.0)
        points = [point(at, rate=rate, behind=max(0.0, float(at - stuck_at))) for at in seconds]
        return History(ends_at=moment(second), sinks=dict.fromkeys(sinks, points))

    def _document(self, second: int, sinks: Sequence[Sink], **members: object) -> Document:
        random = Random(second // 20)
        states = ["empty", "empty", "full", "full", "full", "current", "emptying", "empty"]
        sizes = [0, 0, 96e6, 131e6, 118e6, 20e6 + second % 600 * 1e5, 44e6, 0]
        leaves = [
            Leaf.model_validate({"number": number, "bytes": int(size), "state": state})
            for number, (size, state) in enumerate(zip(sizes, states, strict=True))
        ]
        common: dict[str, object] = {
            "at": moment(second),
            "forwarder": "0.9.0",
            "is_well": True,
            "summary": "All changes are delivered; the newest took 14 ms.",
            "database": "shop.c1x2y3.eu-central-1.rds.amazonaws.com:5432/shop",
            "sinks": sinks,
            "standbys": [process(second, "ip-10-0-2-17", 4211, leads=(), stands_by=[sink.name for sink in sinks])],
            "outbox": Outbox(
                bytes=sum(leaf.bytes for leaf in leaves),
                leaves=leaves,
                oldest_at=None,
                history_since=moment(second - 83_000),
            ),
            "doorbell": Doorbell(
                mode="doorbell",
                is_armed=True,
                rings_per_second=random.uniform(20, 60),
                writers_in_the_way=random.randrange(4),
            ),
            "loads": [],
            "tables": tables(12, second, sinks=[sink.name for sink in sinks]),
            "warnings": [],
        }
        return Document.model_validate(common | members)

    def _calm(self, second: int) -> Document:
        return self._document(second, [sink(second, rate=42)])

    def _load(self, second: int) -> Document:
        since = second - int(self._began_at)
        rows = 1_830_000 + since * 9_100
        load = Load(
            sink="default",
            table="public.order_lines",
            state="loading",
            rows=rows,
            bytes=rows * 212,
            estimated_rows=4_200_000,
            seconds_left=max(0.0, (4_200_000 - rows) / 9_100),
        )
        waiting = Load(
            sink="default",
            table="public.customers",
            state="waiting",
            rows=0,
            bytes=0,
            estimated_rows=310_000,
            seconds_left=None,
        )
        busy = sink(
            second,
            rate=2400,
            shards=8,
            throttles=31,
            lag_events=1_840 + second % 7 * 130,
            lag_seconds=0.8,
            seconds_left=3,
        )
        warning = Trouble(
            text="Shard shardId-000000000002 of stream changes takes 30 % of the records and was throttled 31 times in a minute.",
            remedy="Split it with `aws kinesis split-shard`, or let the stream have more shards.",
        )
        summary = "Delivering 2,400 changes a second; the oldest that waits is 0.8 s old."
        return self._document(second, [busy], summary=summary, loads=[load, waiting], warnings=[warning])

    def _sinks(self, second: int) -> Document:
        sinks = [
            sink(second, rate=700, shards=8),
            sink(
                second,
                name="audit_trail_for_the_finance_department",
                rate=12,
                target="file:///var/lib/forwarder/audit/2026/changes.ndjson",
            ),
            sink(
                second,
                name="search",
                rate=640,
                target="kinesis://search-index-updates-of-the-european-region-production",
                dead_letters=1_204,
                shards=2,
                lag_events=48_210,
                lag_seconds=341,
                seconds_left=1_260,
            ),
        ]
        warning = Trouble(
            text="1,204 changes were set aside for sink 'search'",
            remedy="forwarder dead-letters list --sink search; then retry or discard them",
        )
        summary = "Sink search is 5.7 min behind and catches up in about 21 min."
        return self._document(second, sinks, summary=summary, warnings=[warning])

    def _stuck(self, second: int) -> Document:
        since = second - int(self._began_at) + 240
        stuck = sink(
            second,
            rate=42,
            state="stuck",
            trouble=STUCK,
            lag_events=since * 42,
            lag_seconds=float(since),
            behind=float(since),
        )
        members = {"is_well": False, "summary": STUCK.text, "remedy": STUCK.remedy, "warnings": [STUCK]}
        return self._document(second, [stuck], **members)

    def _unled(self, second: int) -> Document:
        trouble = Trouble(
            text="No process leads sink default: 12,400 changes wait.",
            remedy="Start `forwarder listen` on any host.",
            is_urgent=True,
        )
        unled = sink(second, rate=0, state="unled", trouble=trouble, lag_events=12_400, lag_seconds=191, led=False)
        members = {"is_well": False, "summary": trouble.text, "remedy": trouble.remedy, "standbys": []}
        return self._document(second, [unled], **members)

    def _tables(self, second: int) -> Document:
        return self._document(second, [sink(second, rate=2400, shards=128)], tables=tables(5_000, second))

    def _away(self, second: int) -> Document:
        text = "The database does not answer: nothing can be read of it for 34 s."
        remedy = "See whether shop.c1x2y3.eu-central-1.rds.amazonaws.com:5432 can be reached from ip-10-0-1-4."
        members = {"is_well": False, "summary": text, "remedy": remedy, "database": ""}
        nothing: dict[str, object] = {"outbox": None, "doorbell": None, "tables": [], "standbys": []}
        away = sink(second, rate=0, state="starting", lag_events=None, lag_seconds=None)
        return self._document(second, [away], **members, **nothing)


def sink(
    second: int,
    *,
    name: str = "default",
    target: str = "kinesis://changes",
    rate: float,
    shards: int = 4,
    throttles: int = 0,
    behind: float = 0.0,
    led: bool = True,
    **members: object,
) -> Sink:
    common: dict[str, object] = {
        "name": name,
        "target": target,
        "state": "delivering",
        "leader": process(second, "ip-10-0-1-4", 31, leads=[name], stands_by=()) if led else None,
        "lag_events": 0,
        "lag_seconds": 0,
        "seconds_left": None,
        "delivered_seq": second * 40,
        "saved_at": moment(second - 1),
        "dead_letters": 0,
        "live": live(second, rate=rate, shards=shards, behind=behind, throttles=throttles) if led else None,
    }
    return Sink.model_validate(common | members)


def process(second: int, host: str, pid: int, *, leads: Sequence[str], stands_by: Sequence[str]) -> Process:
    started_at, seen_at = moment(second // 86_400 * 86_400 - 9_400), moment(second - second % 5)
    return Process(
        host=host, pid=pid, version="0.9.0", started_at=started_at, seen_at=seen_at, leads=leads, stands_by=stands_by
    )


def tables(number: int, second: int, *, sinks: Sequence[str] = ("default",)) -> Sequence[Table]:
    """So many tables, each told to each of the sinks."""
    random = Random(number)
    busy = [min(20_000.0, random.paretovariate(0.6)) for _ in range(number)]
    return [table(index, busy[index], second, sink=name) for index in range(number) for name in sinks]


def table(index: int, busy: float, second: int, *, sink: str) -> Table:
    """One of them, with ``busy`` times as many changes as the least busy."""
    noun = NOUNS[index % len(NOUNS)]
    inserts = int(busy * 1_000 + second % 10_000 * busy / 10)
    is_drifted = index % 11 == 9
    return Table(
        sink=sink,
        table=f"public.{noun}" if index < len(NOUNS) else f"tenant_{index // 10:04d}.{noun}",
        state="drifted" if is_drifted else "captured",
        detail="Its trigger is disabled; run `forwarder migrate`." if is_drifted else "",
        inserts=inserts,
        updates=inserts * 3,
        deletes=inserts // 9,
        truncates=index % 3,
        reads=inserts * 7 if index % 4 == 0 else 0,
        schema_changes=index % 5,
        bytes=inserts * 2_400,
        errors=3 if index % 13 == 6 else 0,
        last_change_at=moment(second - index * 7 % 4_000),
        last_delivered_at=moment(second - index * 7 % 4_000),
    )


def moment(second: float) -> datetime:
    """By seconds since the epoch."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
