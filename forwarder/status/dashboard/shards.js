// Where records go: the shards with their part of them, and the lanes in which most wait.

import { find, list, make, sentence, set, write } from "./dom.js";
import { count, percent, plural } from "./figures.js";

const LANES = 8;

export function showShards({ sinks }) {
  const shards = sinks.flatMap(({ name, live }) => (live?.shards ?? []).map((shard) => ({ ...shard, sink: name })));
  const isOfSeveral = new Set(shards.map(({ sink }) => sink)).size > 1;
  const refused = shards.reduce((sum, { throttles }) => sum + throttles, 0);
  const note = shards.length ? `${plural(shards.length, "shard")}, ${plural(refused, "record")} throttled in the last minute` : "";
  write(find("shards-note"), note);
  if (!shards.length) return list(find("shards"), [null], sentence("None is known: no process leads a sink that has any."));
  set(find("shards"), "data-sinks", isOfSeveral ? "several" : "one");
  const highest = Math.max(...shards.map(({ share }) => share), 0.001);
  list(find("shards"), shards, {
    key: ({ sink, name }) => `${sink}\n${name}`,
    create: createShard,
    update: (entry, shard) => updateShard(entry, shard, highest, isOfSeveral),
  });
}

function createShard({ name }) {
  const shortened = name.replace(/shardId-0+(?=\d)/, "shard ");
  const entry = {
    sink: make("span", { class: "muted cut" }),
    fill: make("span"),
    share: make("span", { class: "number" }),
    throttles: make("span", { class: "number throttles" }),
  };
  const meter = make("span", { class: "meter", "aria-hidden": "true" }, entry.fill);
  entry.node = make(
    "div",
    { class: "shard" },
    make("span", { class: "cut", title: name }, shortened),
    entry.sink,
    meter,
    entry.share,
    entry.throttles,
  );
  return entry;
}

function updateShard(entry, { sink, share, throttles }, highest, isOfSeveral) {
  write(entry.sink, isOfSeveral ? sink : "");
  write(entry.share, percent(share));
  write(entry.throttles, throttles ? `${count(throttles)} throttled` : "");
  set(entry.node, "data-alarming", throttles > 0);
  entry.fill.style.transform = `scaleX(${share / highest})`;
}

export function showLanes({ sinks }) {
  const lanes = sinks
    .flatMap(({ name, live }) => (live?.hot_lanes ?? []).map((records) => ({ sink: name, records })))
    .sort((left, right) => right.records - left.records)
    .slice(0, LANES)
    .map((lane, index) => ({ ...lane, index }));
  if (!lanes.length) return list(find("lanes"), [null], sentence("No record waits for another of its key."));
  const isOfSeveral = sinks.length > 1;
  set(find("lanes"), "data-sinks", isOfSeveral ? "several" : "one");
  list(find("lanes"), lanes, {
    key: ({ index }) => index,
    create: createLane,
    update(entry, { sink, records }) {
      write(entry.sink, isOfSeveral ? sink : "");
      write(entry.records, `${plural(records, "record")}`);
      entry.fill.style.transform = `scaleX(${records / lanes[0].records})`;
    },
  });
}

function createLane() {
  const entry = { sink: make("span", { class: "muted cut" }), fill: make("span"), records: make("span", { class: "number" }) };
  entry.node = make(
    "div",
    { class: "lane" },
    make("span", { class: "meter", "aria-hidden": "true" }, entry.fill),
    entry.records,
    entry.sink,
  );
  return entry;
}
