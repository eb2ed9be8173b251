// What AWS's SDK for JavaScript sees of a stream of one shard under its defaults; in JSON on standard output. Its argument is the endpoint.

import {
  DescribeStreamSummaryCommand,
  GetRecordsCommand,
  GetShardIteratorCommand,
  KinesisClient,
  ListTagsForStreamCommand,
  PutRecordCommand,
  PutRecordsCommand,
  RegisterStreamConsumerCommand,
  SubscribeToShardCommand,
  TagResourceCommand,
} from "@aws-sdk/client-kinesis";

const [endpoint, StreamName] = process.argv.slice(2);
const ShardId = "shardId-000000000000";
const client = new KinesisClient({ endpoint, region: "us-east-1" });

async function put(...data) {
  const Records = data.map((each, number) => ({ Data: Buffer.from(each), PartitionKey: `key-${number}` }));
  return (await client.send(new PutRecordsCommand({ StreamName, Records }))).FailedRecordCount;
}

async function read() {
  const iterator = new GetShardIteratorCommand({ StreamName, ShardId, ShardIteratorType: "TRIM_HORIZON" });
  const { ShardIterator } = await client.send(iterator);
  return (await client.send(new GetRecordsCommand({ ShardIterator }))).Records.map((record) => record.Data.length);
}

async function tag(ResourceARN) {
  await client.send(new TagResourceCommand({ ResourceARN, Tags: { team: "orders" } }));
  return (await client.send(new ListTagsForStreamCommand({ StreamName }))).Tags;
}

async function follow(StreamARN) {
  const { Consumer } = await client.send(new RegisterStreamConsumerCommand({ StreamARN, ConsumerName: "reader" }));
  const StartingPosition = { Type: "LATEST" };
  const subscription = new SubscribeToShardCommand({ ConsumerARN: Consumer.ConsumerARN, ShardId, StartingPosition });
  const { EventStream } = await client.send(subscription);
  await put("followed");
  for await (const { SubscribeToShardEvent } of EventStream) {
    for (const { Data } of SubscribeToShardEvent.Records) return Buffer.from(Data).toString();
  }
}

async function refused() {
  const record = { StreamName: "nowhere", Data: Buffer.from("x"), PartitionKey: "key" };
  return client.send(new PutRecordCommand(record)).catch((error) => error.name);
}

const { StreamARN } = (await client.send(new DescribeStreamSummaryCommand({ StreamName }))).StreamDescriptionSummary;
const seen = {
  failed: await put(...Array.from({ length: 10 }, () => Buffer.alloc(1_000_000)), "small"),
  read: await read(),
  tags: await tag(StreamARN),
  followed: await follow(StreamARN),
  refused: await refused(),
};
process.stdout.write(JSON.stringify(seen), () => process.exit(0));
