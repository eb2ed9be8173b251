"""An AWS Lambda that keeps the last state of every row in a DynamoDB table.

The table (its name is in the variable TABLE) has the partition key ``row``, a string; let its attribute ``expires_at`` be its TTL. The event source
mapping of the stream needs ``ReportBatchItemFailures``. The function needs the package ``forwarder`` without its dependencies
(``pip install --no-deps --target package .``). The records are in the format native or cloudevents, which have all that is needed here.

It relies on three rules:

1. Lambda hands over the records of a shard in their order. So at the first failure the batch ends, and is tried again from there on: to go on
   behind it would be out of order.
2. Records come again, after such a failure for one. So a write says "if what is there is older", by ``seq``. A row that a load has read is newer
   than a change of the same ``seq``.
3. What cannot be read does not become readable: it is logged, and passed over. What else is in its record is stored.
4. An item of DynamoDB has 400 KB at most, a record up to 10 MiB. Of a larger one the place in the stream is stored, and not its text.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from base64 import b64decode
from collections.abc import Sequence
from functools import cache
from typing import Any

import boto3

from forwarder.consumer import Change, Unreadable, decode

# A deleted row is kept for a while, marked: a late repeat of an older change must still find its seq.
KEEP_DELETED_SECONDS = 3600
# DynamoDB takes keys of 2,048 bytes, and items of 409,600 with all that they hold.
MOST_NAME_BYTES = 2048
MOST_RECORD_BYTES = 400_000

logger = logging.getLogger(__name__)


def handler(event: dict[str, Any], context: object) -> dict[str, list[dict[str, str]]]:
    """Store the changes of a batch. Names the record at which the batch is to be tried again, if there is one."""
    for record in event["Records"]:
        sequence_number = record["kinesis"]["sequenceNumber"]
        try:
            for change in changes_of(record):
                store(change, sequence_number)
        except Exception:
            logger.exception("record %s of %s is tried again", sequence_number, record["eventSourceARN"])
            return {"batchItemFailures": [{"itemIdentifier": sequence_number}]}
    return {"batchItemFailures": []}


def changes_of(record: dict[str, Any]) -> Sequence[Change]:
    """The changes that a record of the batch tells of, as far as they can be read."""
    try:
        return decode(b64decode(record["kinesis"]["data"]))
    except Unreadable as error:
        place = record["kinesis"]["sequenceNumber"], record["eventSourceARN"]
        logger.error("in record %s of %s, passed over what cannot be read (%s): %s", *place, error.count, error)
        return error.changes


def store(change: Change, sequence_number: str) -> None:
    """Store a change, if what is stored of its row is older.

    What concerns a whole table or partition (truncate, gap, schema, load) is stored under its name: whoever reads a row counts it as gone if the last
    ``truncate`` of its table, or of its ``partition``, has a higher seq. An event of the application's own, and a change whose record has no key or
    no schema, is stored under its id, so that each of them stays.
    """
    table = table_of_rows()
    is_large = len(change.raw.encode()) > MOST_RECORD_BYTES
    of_record = {"sequence_number": sequence_number} if is_large else {"record": change.raw}
    item = {"row": name_of(change), "seq": change.seq, "op": change.op, "partition": change.partition, **of_record}
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


def name_of(change: Change) -> str:
    """What a change is stored under: ``["7312459/16384", "public", "orders", "{'id': 42}"]``, or a hash of that if it is too long for DynamoDB.

    The first part is the database, of which several may write to one stream.
    """
    place = [change.origin, change.schema, change.table]
    if change.op in ("truncate", "gap", "schema", "load"):
        place += [change.partition, change.op]
    elif change.key is None or change.schema is None or change.op == "event":
        place += [None, "id", change.id]
    else:
        place += [repr(dict(change.key))]
    name = json.dumps(place)
    return name if len(name) <= MOST_NAME_BYTES else hashlib.sha256(name.encode()).hexdigest()
