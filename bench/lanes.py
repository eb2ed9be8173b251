"""What strict order per key costs where it costs most: few keys, one key, shards at their quotas, a stream that goes wrong."""

import json
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.audit import Audit, audit
from bench.delivery import RECORD_BYTES, deliver, round_trip_seconds
from bench.figures import Figure
from bench.rig import STREAM, discarding_kinesis, sink_url
from bench.size import Size
from forwarder.local.kinesis import LocalKinesis, serve
from forwarder.local.kinesis.faults import AnyFault, FailRecords, LoseResponse, Refuse
from forwarder.sinks.kinesis.pacing import RECORDS_PER_SECOND
from forwarder.sinks.kinesis.shard_map import ShardMap

_KPL = "&aggregation=kpl"
_FEW_KEYS = [f"captured.item.{number}" for number in range(200)]
_FAR_SECONDS = 0.015
_NEAR_SECONDS = 0.010
_SHARDS = 8
_KEYS_A_SHARD = 625
_QUOTA = _SHARDS * RECORDS_PER_SECOND
_FAULTS: Sequence[AnyFault] = (
    FailRecords(operation="PutRecords", probability=0.2),
    LoseResponse(operation="PutRecords", probability=0.05),
    Refuse(operation="PutRecords", seconds=0.02, probability=0.05),
)


async def measure(size: Size, runs: int) -> Sequence[Figure]:
    """Events a second of the sending half of the listener, and what became of order."""
    events = size.lane_events
    strict = [await _far(_FEW_KEYS, _FAR_SECONDS, "", events=events) for _ in range(runs)]
    aggregated = [await _far(_FEW_KEYS, _FAR_SECONDS, _KPL, events=events * 10) for _ in range(runs)]
    one_key = [await _far(_FEW_KEYS[:1], _NEAR_SECONDS, _KPL, events=events) for _ in range(runs)]
    # Longer, so that the half second in which a shard is found out to be full weighs little.
    paced = [await _quotas("", events=events * 2) for _ in range(runs)]
    packed = [await _quotas(_KPL, events=events * 4) for _ in range(runs)]
    faulty = [await _faulty(events=events // 3) for _ in range(runs)]
    return [
        Figure(name="200 keys, 15 ms a request", unit="events/s", runs=_rates(strict)),
        Figure(name="… of keys / round trip", unit="x", runs=_shares(strict), at_least=0.9, digits=2),
        Figure(name="… aggregated", unit="events/s", runs=_rates(aggregated)),
        Figure(name="… aggregated, of keys / round trip", unit="x", runs=_shares(aggregated), at_least=9, digits=1),
        Figure(name="one key, 10 ms a request, aggregated", unit="events/s", runs=_rates(one_key), at_least=10_000),
        Figure(
            name="8 shards at their quotas, 5,000 keys", unit="records/s", runs=_rates(paced), at_least=0.95 * _QUOTA
        ),
        Figure(name="… inversions", unit="", runs=_inversions(paced), at_most=0),
        Figure(name="… aggregated", unit="events/s", runs=_rates(packed), at_least=3 * _QUOTA),
        Figure(name="… inversions", unit="", runs=_inversions(packed), at_most=0),
        Figure(name="faults: lost", unit="", runs=[found.lost for found in faulty], at_most=0),
        Figure(
            name="… inversions of first occurrences", unit="", runs=[found.inversions for found in faulty], at_most=0
        ),
        Figure(
            name="… the longest wait of a lane",
            unit="s",
            runs=[found.longest_wait_seconds for found in faulty],
            at_most=5,
            digits=2,
        ),
        Figure(name="… repeated", unit="", runs=[found.repeated for found in faulty]),
    ]


async def _far(keys: Sequence[str], seconds: float, options: str, *, events: int) -> tuple[float, float]:
    """Events a second to a stream in another process that answers so late, and that as a share of keys / round trip."""
    with TemporaryDirectory(prefix="forwarder-bench-") as name:
        faults = Path(name) / "faults.json"
        delay = {"fault": "delay", "operation": "PutRecords", "seconds": seconds}
        faults.write_text(json.dumps({"faults": [delay]}))
        async with discarding_kinesis(Path(name), f"--faults={faults}") as url:
            round_trip = await round_trip_seconds(url)
            rate = events / await deliver(url + options, keys, events=events)
    return rate, rate * round_trip / len(keys)


async def _quotas(options: str, *, events: int) -> tuple[float, Audit]:
    """Events a second beyond the first second's, which the shards have saved up, and the order that they kept."""
    kinesis = LocalKinesis()
    kinesis.create_stream(STREAM, shards=_SHARDS)
    keys = _evenly_spread(kinesis)
    async with serve(kinesis) as endpoint:
        began = time.time()
        seconds = await deliver(sink_url(endpoint.url) + options, keys, events=events)
    saved_up = _SHARDS * (1 << 20) / RECORD_BYTES if options else _QUOTA
    return (events - saved_up) / seconds, audit(kinesis.stream(STREAM).records(), events=events, began=began)


async def _faulty(*, events: int) -> Audit:
    """What became of the events while records fail, answers are lost and connections are refused."""
    kinesis = LocalKinesis(limits=False, faults=_FAULTS)
    kinesis.create_stream(STREAM, shards=_SHARDS)
    keys = _evenly_spread(kinesis)[:1000]
    async with serve(kinesis) as endpoint:
        began = time.time()
        await deliver(sink_url(endpoint.url), keys, events=events)
    return audit(kinesis.stream(STREAM).records(), events=events, began=began)


def _evenly_spread(kinesis: LocalKinesis) -> Sequence[str]:
    """As many keys of each shard, the shards in turn: else the fullest shard would decide alone."""
    described = [
        {
            "ShardId": shard.shard_id,
            "HashKeyRange": {"StartingHashKey": str(shard.first_hash)},
            "SequenceNumberRange": {},
        }
        for shard in kinesis.stream(STREAM).shards
    ]
    shard_of, of_shard, number = ShardMap(described).shard_of, defaultdict[str, list[str]](list), 0
    while len(of_shard) < _SHARDS or min(map(len, of_shard.values())) < _KEYS_A_SHARD:
        key = f"captured.item.{number}"
        of_shard[shard_of(key)].append(key)
        number += 1
    return [key for turn in zip(*(keys[:_KEYS_A_SHARD] for keys in of_shard.values()), strict=True) for key in turn]


def _rates(found: Sequence[tuple[float, object]]) -> Sequence[float]:
    return [rate for rate, _ in found]


def _shares(found: Sequence[tuple[float, float]]) -> Sequence[float]:
    return [share for _, share in found]


def _inversions(found: Sequence[tuple[float, Audit]]) -> Sequence[float]:
    return [kept.inversions + kept.lost for _, kept in found]
