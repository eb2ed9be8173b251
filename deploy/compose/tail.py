"""Prints every record of the stream from its beginning, one line each: shard, partition key, data."""

import asyncio
import os
from typing import Any

from aiobotocore.session import get_session

STREAM = "changes"
# Kinesis allows five reads a second and shard.
READ_INTERVAL_SECONDS = 0.25


async def main() -> None:
    async with get_session().create_client("kinesis", endpoint_url=os.environ["KINESIS_ENDPOINT_URL"]) as kinesis:
        shards = (await kinesis.list_shards(StreamName=STREAM))["Shards"]
        async with asyncio.TaskGroup() as tasks:
            for shard in shards:
                tasks.create_task(follow(kinesis, shard["ShardId"]))


async def follow(kinesis: Any, shard_id: str) -> None:
    answer = await kinesis.get_shard_iterator(StreamName=STREAM, ShardId=shard_id, ShardIteratorType="TRIM_HORIZON")
    iterator = answer["ShardIterator"]
    while iterator:
        answer = await kinesis.get_records(ShardIterator=iterator)
        for record in answer["Records"]:
            print(shard_id, record["PartitionKey"], record["Data"].decode(), flush=True)  # noqa: T201
        iterator = answer.get("NextShardIterator")
        await asyncio.sleep(READ_INTERVAL_SECONDS)


if __name__ == "__main__":
    asyncio.run(main())
