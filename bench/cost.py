"""What a month costs, beside other systems: arithmetic on the prices of bench/prices.py. Pure.

Everything is even over the month, and every change is an UPDATE, whose record has both images of the row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from bench.prices import (
    DCU,
    DMS_C5_LARGE,
    DMS_T3_MEDIUM,
    ENDPOINT,
    ENDPOINT_GB,
    FARGATE_GB,
    FARGATE_VCPU,
    INGESTED,
    NAT,
    NAT_GB,
    PUT_UNITS,
    RDS_M7G_LARGE,
    RETRIEVED,
    SHARD,
    STREAM,
)
from forwarder.config.settings import Settings, SinkSettings
from forwarder.deployment.task_size import TaskSize, task_size

HOURS = 730
SECONDS = HOURS * 3600
KB, MB, GB = 1 << 10, 1 << 20, 1 << 30

RATES = (50, 500, 5_000)
# Bytes of a row.
ROWS: Mapping[str, int] = {"500 B": 500, "2 KB": 2 * KB}

# bench/README.md: rows of some 300 bytes make records of 793.
IMAGES = 2
ENVELOPE_BYTES = 200
# What AWS counts as one PUT payload unit, and how large what is aggregated may be beside it: headers of each change.
UNIT_BYTES = 25 * KB
MEMBER_BYTES = 20

# A shard takes so much; it is to be half full on average.
SHARD_RECORDS, SHARD_BYTES, HEADROOM = 1_000, MB, 2
ZONES = 2

# Of each change in PutRecords beside its data: the key and names of members, and its line in the answer.
REQUEST_BYTES, ANSWER_BYTES = 50, 110
# Of each request: headers of both sides, with the session token of a task's role.
HEADER_BYTES = 2_000
# How much longer the data is: bytes in CBOR, base64 in JSON.
PROTOCOLS: Mapping[str, float] = {"CBOR": 1.0, "JSON": 4 / 3}
# One request is under way at a time, and takes so long: what comes meanwhile travels with the next.
ROUND_TRIP_SECONDS = 0.015

TRIGGER_SECONDS = 15e-6
OURS = "forwarder, two tasks"
TASKS = 2
# What others would need: nobody publishes figures, so these are guesses in their favour.
DCUS: Mapping[int, int] = {50: 1, 500: 2, 5_000: 8}
DEBEZIUM_VCPUS: Mapping[int, float] = {50: 1, 500: 1, 5_000: 2}
DEBEZIUM_GB = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A table, all of it as text."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """The table as a page has it."""
        lines = [self.headings, ["---", *["---:"] * (len(self.headings) - 1)], *self.rows]
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def record_bytes(row: int) -> int:
    """The record of an update of such a row."""
    return IMAGES * row + ENVELOPE_BYTES


def size(rate: int) -> TaskSize:
    """The task that `forwarder ecs` asks for, with one sink and no other settings."""
    settings = Settings(sink=[SinkSettings(url="kinesis://changes?region=us-east-1")])
    return task_size(settings, changes_per_second=rate)


def fargate(vcpus: float, gigabytes: float, *, tasks: int = 1) -> float:
    """Tasks that run all month."""
    return tasks * HOURS * (vcpus * FARGATE_VCPU.dollars + gigabytes * FARGATE_GB.dollars)


def carriers(rate: int) -> Mapping[str, float]:
    """What carries the changes to the stream; the stream itself and the network are the same for all."""
    own = size(rate)
    return {
        OURS: fargate(own.cpu / 1024, own.memory_mib / KB, tasks=TASKS),
        "Debezium Server on Fargate, one task": fargate(DEBEZIUM_VCPUS[rate], DEBEZIUM_GB),
        "DMS serverless, one zone": HOURS * DCUS[rate] * DCU.dollars,
        "DMS serverless, Multi-AZ": HOURS * DCUS[rate] * DCU.dollars * ZONES,
        "dms.t3.medium, one zone": HOURS * DMS_T3_MEDIUM.dollars,
        "dms.c5.large, one zone": HOURS * DMS_C5_LARGE.dollars,
        "dms.c5.large, Multi-AZ": HOURS * DMS_C5_LARGE.dollars * ZONES,
    }


def changes_a_unit(record: int) -> int:
    """How many changes share a PUT payload unit, if as many of one key wait as fit into it."""
    return max(1, UNIT_BYTES // (record + MEMBER_BYTES))


def shards(rate: int, record: int, *, changes_a_record: int = 1) -> int:
    """How many take that, half full."""
    full = max(rate / changes_a_record / SHARD_RECORDS, rate * record / SHARD_BYTES)
    return max(1, ceil(HEADROOM * full))


def provisioned(rate: int, record: int, *, changes_a_record: int = 1) -> float:
    """Shards and PUT payload units; to read is free."""
    units = ceil(changes_a_record * record / UNIT_BYTES) * rate / changes_a_record * SECONDS
    held = shards(rate, record, changes_a_record=changes_a_record) * HOURS * SHARD.dollars
    return held + units / 1e6 * PUT_UNITS.dollars


def on_demand(rate: int, record: int, *, changes_a_record: int = 1) -> float:
    """The stream, what is written, each record in whole KB, and one reader."""
    written = ceil(changes_a_record * record / KB) * KB * rate / changes_a_record * SECONDS
    read = rate * record * SECONDS
    return HOURS * STREAM.dollars + written / GB * INGESTED.dollars + read / GB * RETRIEVED.dollars


def network_bytes(rate: int, record: int, protocol: str) -> float:
    """What PutRecords sends and receives in a month."""
    requests = rate / max(1.0, rate * ROUND_TRIP_SECONDS)
    each = record * PROTOCOLS[protocol] + REQUEST_BYTES + ANSWER_BYTES
    return (rate * each + requests * HEADER_BYTES) * SECONDS


def by_nat(sent: float) -> float:
    """One NAT gateway, and the bytes."""
    return HOURS * NAT.dollars + sent / GB * NAT_GB.dollars


def by_endpoint(sent: float) -> float:
    """An endpoint of Kinesis in two zones, and the bytes."""
    return HOURS * ZONES * ENDPOINT.dollars + sent / GB * ENDPOINT_GB.dollars


def trigger_share(rate: int) -> float:
    """Of one vCPU of the database."""
    return rate * TRIGGER_SECONDS


def trigger(rate: int) -> float:
    """That share, at the price of a vCPU."""
    return trigger_share(rate) * HOURS * RDS_M7G_LARGE.dollars / 2


def sheets() -> Mapping[str, Sheet]:
    """All tables, by their titles."""
    return {
        "What carries the changes": _carriers(),
        "The stream": _streams(),
        "The network": _networks(),
        "The database": _database(),
        "All of it": _all(),
    }


def _rates() -> Sequence[str]:
    return [f"{rate:,}/s" for rate in RATES]


def _dollars(amount: float) -> str:
    return f"${amount:,.2f}" if amount < 10 else f"${amount:,.0f}"


def _carriers() -> Sheet:
    each = [carriers(rate) for rate in RATES]
    return Sheet(
        headings=["a month", *_rates()],
        rows=[[name, *(_dollars(costs[name]) for costs in each)] for name in each[0]],
    )


def _streams() -> Sheet:
    rows = []
    for name, row in ROWS.items():
        record = record_bytes(row)
        most = changes_a_unit(record)
        rows += [
            [f"{name}: shards, half full", *(str(shards(rate, record)) for rate in RATES)],
            [f"{name}: million PUT units", *(f"{rate * SECONDS / 1e6:,.0f}" for rate in RATES)],
            [f"{name}: provisioned", *(_dollars(provisioned(rate, record)) for rate in RATES)],
            [
                f"{name}: … `aggregation=kpl`, {most} changes a unit at best",
                *(_dollars(provisioned(rate, record, changes_a_record=most)) for rate in RATES),
            ],
            [f"{name}: on demand, one reader", *(_dollars(on_demand(rate, record)) for rate in RATES)],
            [
                f"{name}: … `aggregation=kpl`, {most} changes a unit at best",
                *(_dollars(on_demand(rate, record, changes_a_record=most)) for rate in RATES),
            ],
        ]
    return Sheet(headings=["rows of", *_rates()], rows=rows)


def _networks() -> Sheet:
    rows = []
    for name, row in ROWS.items():
        for protocol in PROTOCOLS:
            sent = [network_bytes(rate, record_bytes(row), protocol) for rate in RATES]
            rows += [
                [f"{name}, {protocol}: GB", *(f"{each / GB:,.0f}" for each in sent)],
                [f"{name}, {protocol}: NAT gateway", *(_dollars(by_nat(each)) for each in sent)],
                [f"{name}, {protocol}: VPC endpoint", *(_dollars(by_endpoint(each)) for each in sent)],
            ]
    return Sheet(headings=["rows of", *_rates()], rows=rows)


def _database() -> Sheet:
    return Sheet(
        headings=["of the trigger", *_rates()],
        rows=[
            ["share of one vCPU", *(f"{100 * trigger_share(rate):.3g} %" for rate in RATES)],
            ["at the price of half a db.m7g.large", *(_dollars(trigger(rate)) for rate in RATES)],
        ],
    )


def totals(rate: int, row: int) -> Mapping[str, float]:
    """Carrier, provisioned stream and VPC endpoint, with the same records for all, in CBOR; of forwarder the trigger as well."""
    record = record_bytes(row)
    common = provisioned(rate, record) + by_endpoint(network_bytes(rate, record, "CBOR"))
    return {name: cost + common + (trigger(rate) if name == OURS else 0) for name, cost in carriers(rate).items()}


def _all() -> Sheet:
    each = {(name, rate): totals(rate, row) for name, row in ROWS.items() for rate in RATES}
    return Sheet(
        headings=["a month", *(f"{name}, {rate:,}/s" for name, rate in each)],
        rows=[[carrier, *(_dollars(costs[carrier]) for costs in each.values())] for carrier in carriers(RATES[0])],
    )
