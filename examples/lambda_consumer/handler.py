"""An AWS Lambda that keeps the last state of every row in a DynamoDB table.

The table (its name is in the variable TABLE) has the partition key ``row``, a string; let its attribute ``expires_at`` be its TTL. The event source
mapping of the stream needs ``ReportBatchItemFailures``. The function needs the package ``forwarder`` without its dependencies
(``pip install --no-deps --target package .``). The records are in the format native or cloudevents, which have all that is needed here.

It relies on three rules:

1. Lambda hands over the records of a shard in their order. So at the first failure the batch ends, and is tried again from there on: to go on
   behind it would be out of order.
2. Records come again, after such a failure for one. So a write says "if what is there is older", by ``seq``. A row that a load has read is newer
   than a change of the same ``seq``.
3. What cannot be read does not become readable: it is logged, and passed over.
"""

from __future__ import annotations

import logging
import os
import time
from base64 import b64decode
from functools import cache
from typing import Any

import boto3

from forwarder.consumer import Change, Unreadable, decode

# A deleted row is kept for a while, marked: a late repeat of an older change must still find its seq.
KEEP_DELETED_SECONDS = 3600

logger = logging.getLogger(__name__)


def handler(event: dict[str, Any], context: object) -> dict[str, list[dict[str, str]]]:
    """Store the changes of a batch. Names the record at which the batch is to be tried again, if there is one."""
    for record in event["Records"]:
        sequence_number = record["kinesis"]["sequenceNumber"]
        try:
            for change in decode(b64decode(record["kinesis"]["data"])):
                store(change)
        except Unreadable as error:
            logger.error("record %s of %s is passed over: %s", sequence_number, record["eventSourceARN"], error)
        except Exception:
            logger.exception("record %s of %s is tried again", sequence_number, record["eventSourceARN"])
            return {"batchItemFailures": [{"itemIdentifier": sequence_number}]}
    return {"batchItemFailures": []}


def store(change: Change) -> None:
    """Store a change, if what is stored of its row is older.

    What concerns a whole table (truncate, gap, schema, load) is stored under its name: whoever reads a row counts it as gone if the last ``truncate``
    of its table has a higher seq. An event of the application's own, and a change whose record has no key or no schema, is stored
    under its id, so that each of them stays.
    """
    table = table_of_rows()
    item = {"row": _name(change), "seq": change.seq, "op": change.op, "record": change.raw}
    if change.op == "delete":
        item["expires_at"] = int(time.time()) + KEEP_DELETED_SECONDS
    try:
        table.put_item(
            Item=item,
            ConditionExpression=f"attribute_not_exists(seq) OR seq {'<=' if change.load else '<'} :seq",
            ExpressionAttributeValues={":seq": change.seq},
        )
    except table.meta.client.exceptions.ConditionalCheckFailedException:
        logger.info("%s has a newer change than %s", item["row"], change.id)


@cache
def table_of_rows() -> Any:
    """The table, by a client that all calls of this process share."""
    return boto3.resource("dynamodb").Table(os.environ["TABLE"])


def _name(change: Change) -> str:
    place = f"{change.schema}.{change.table}"
    if change.op in ("truncate", "gap", "schema", "load"):
        return f"{place} {change.op}"
    if change.key is None or change.schema is None or change.op == "event":
        return f"{place} id {change.id}"
    return f"{place} {dict(change.key)}"
