"""Writes docs/cost.md: what a month costs, as bench/cost.py reckons. ``make docs``"""

from __future__ import annotations

from pathlib import Path

from bench import cost, prices

PAGE = Path(__file__).parents[1] / "docs" / "cost.md"

_HEAD = """# What it costs

Made by `make docs` from `bench/cost.py` and the prices of `bench/prices.py`; a test compares. `python -m bench cost` prints the tables. A month
in {region}, in US dollars, on demand and without taxes, for 50, 500 and 5,000 changes a second, day and night. It is arithmetic, not a bill:
[prices](#prices) have their dates and sources, and some of them nobody has looked up. Check those that matter to you.

## What is assumed

* Every change is an update of a row of 500 bytes or of 2 KB. Its record has both images of the row and {envelope} bytes around them: {small:,}
  and {large:,} bytes.
* **The others get the same records**, which takes `REPLICA IDENTITY FULL` there. By default DMS and Debezium send the new image alone: some half
  of the bytes.
* forwarder runs in two tasks, on two zones, of the size that [`forwarder ecs`](ecs.md) asks for: {cpu} CPU units and {memory} MiB at all three
  rates, on ARM64.
* Debezium Server runs in one task of {debezium_gb} GB, on ARM64: nothing takes over while it is replaced. Its vCPUs are {vcpus}. DMS serverless
  has {dcus} DCU. These are guesses, since nobody publishes figures for Kinesis; a DMS instance of one size may not be enough for all three rates.
* Half of each shard is left free, for hot keys and for catching up. One reader, 24 hours of retention, no enhanced fan-out.
* One request to Kinesis is under way at a time and takes {trip:.0f} ms; what comes meanwhile travels with the next. So at 50 changes a second
  each has a request of its own.
* KB and GB are 1,024 and 1,024³ bytes, a month is {hours} hours.

Not counted, since all have it or it is small: logs, metrics and alarms (seven custom metrics a sink, a few dollars), secrets, the image's
storage, transfer between zones from the database to the task, and the disk and write-ahead log of the outbox, which is written once and emptied
by TRUNCATE. Nor is the write-ahead log that `rds.logical_replication` adds, which the others need.
"""

_TEXTS = {
    "What carries the changes": "",
    "The stream": """
The stream costs the same whoever fills it, and at high rates more than what fills it.

* Provisioned, one pays for shards and for PUT payload units: 25 KB or a part of it, **for each record**. So a record of 500 bytes costs as much
  as one of 25 KB.
* `aggregation=kpl` puts changes into one record that **wait for the same key**, and so saves units only where they do: with busy keys, with
  `partition_key=table` or `constant`, or after an outage. The table shows the best that there is, units that are full. Changes of many different
  rows in turn save nothing. Where bytes and not records fill the shards, as here, it saves no shards either.
* **CBOR or JSON is the same here**: AWS counts the data, not how it is written on the wire. It makes a difference to the [network](#the-network).
* `compression=zstd` makes records smaller: it saves shards, and on demand gigabytes, but no units of records that are below 25 KB anyway.
* On demand each record counts in whole KB. It is for what is not steady; it costs several times as much as shards that are half full.

""",
    "The network": """
What PutRecords sends and receives: data, keys, answers, and headers of {headers:,} bytes a request. With `protocol=cbor` (which is chosen by
itself) data goes as it is, in JSON as base64, a third longer. A NAT gateway that is there already costs its bytes alone. Without one each further
service needs an endpoint of its own: Secrets Manager, ECR (two), CloudWatch Logs, STS, ${endpoint:.2f} a month each; that of S3 is free.

""",
    "The database": """
The trigger takes the writer {trigger:.0f} µs of processor time for each row ([bench](../bench/README.md)), and more on a machine that is busy or
where each row is a transaction of its own. If the instance has that to spare it costs nothing; else this is its share. What reads the write-ahead
log takes almost none of it.

The listener reads as well: 3 µs a change where many wait. Where each change comes alone it is the wake-up that costs, up to 1 ms of the
database's processor time: at 200 single changes a second a fifth of a core.

""",
    "All of it": """
Carrier, provisioned stream without aggregation, and a VPC endpoint of Kinesis; for forwarder also the trigger's share, not the listener's.

""",
}

_PRICES = """## Prices

All for {region}. DMS serverless is the least certain: sources that one finds say $0.115 to $0.25 a DCU-hour. The lowest known to us is taken, in
its favour. Multi-AZ is reckoned as twice the price of one zone.

"""


def page() -> str:
    """The text of the page."""
    facts = {
        "region": prices.REGION,
        "envelope": cost.ENVELOPE_BYTES,
        "small": cost.record_bytes(cost.ROWS["500 B"]),
        "large": cost.record_bytes(cost.ROWS["2 KB"]),
        "cpu": cost.size(cost.RATES[-1]).cpu,
        "memory": cost.size(cost.RATES[-1]).memory_mib,
        "debezium_gb": cost.DEBEZIUM_GB,
        "vcpus": _listed([f"{cost.DEBEZIUM_VCPUS[rate]:g}" for rate in cost.RATES]),
        "dcus": _listed([str(cost.DCUS[rate]) for rate in cost.RATES]),
        "trip": cost.ROUND_TRIP_SECONDS * 1e3,
        "hours": cost.HOURS,
        "headers": cost.HEADER_BYTES,
        "endpoint": cost.by_endpoint(0),
        "trigger": cost.TRIGGER_SECONDS * 1e6,
    }
    parts = [_HEAD.format(**facts)]
    for title, sheet in cost.sheets().items():
        text = _TEXTS[title].format(**facts).lstrip("\n")
        parts.append(f"\n## {title}\n\n{text}{sheet.markdown()}")
    return "".join(parts) + "\n" + _PRICES.format(**facts) + _prices().markdown()


def _prices() -> cost.Sheet:
    rows = [[each.what, f"${each.dollars:g}", each.unit, each.date, _source(each.source)] for each in prices.PRICES]
    return cost.Sheet(headings=["what", "price", "for a", "as of", "source"], rows=rows)


def _source(source: str) -> str:
    return f"[{source.split('/')[2].removeprefix('www.')}]({source})" if source.startswith("https:") else source


def _listed(texts: list[str]) -> str:
    return f"{', '.join(texts[:-1])} and {texts[-1]}"


if __name__ == "__main__":
    PAGE.write_text(page())
