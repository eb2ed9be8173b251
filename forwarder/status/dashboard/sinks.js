// The sinks: a card each.

import { breakable, find, list, make, prose, sentence, set, show, write } from "./dom.js";
import { ago, count, duration, milliseconds, plural, rate, size } from "./figures.js";

const WORDS = { delivering: "delivering", stuck: "stuck", unled: "no leader", starting: "starting" };

// [name, what it says, how it is written, whether it is alarming]
const FIGURES = [
  ["behind", "changes behind", (sink) => behind(sink)],
  ["oldest", "oldest of them", (sink) => duration(sink.lag_seconds)],
  ["left", "time left", (sink) => left(sink)],
  ["delivered", "delivered a second", (sink) => rate(sink.live?.delivered_per_second)],
  ["requests", "requests a second", (sink) => rate(sink.live?.requests_per_second)],
  ["flight", "in flight", (sink) => count(sink.live?.in_flight)],
  ["latency", "p50 from commit", (sink) => milliseconds(sink.live?.latency_p50_ms)],
  ["memory", "in memory", (sink) => size(sink.live?.memory_bytes)],
  ["dead", "dead letters", (sink) => count(sink.dead_letters), (sink) => sink.dead_letters > 0],
];

export function showSinks({ sinks }, now) {
  write(find("sinks-note"), sinks.length > 1 ? plural(sinks.length, "sink") : "");
  if (!sinks.length) return list(find("sinks"), [null], sentence("Nobody has said yet where changes are to go."));
  list(find("sinks"), sinks, { key: ({ name }) => name, create, update: (entry, sink) => update(entry, sink, now) });
}

function create({ name }) {
  const entry = {
    target: make("p", { class: "mono muted cut" }),
    state: make("span", { class: "pill" }),
    leader: make("p", { class: "muted leader" }),
  };
  entry.values = FIGURES.map(() => make("dd"));
  entry.trouble = make("p", { class: "what" });
  entry.remedy = make("p", { class: "remedy" });
  entry.problem = make("div", { class: "problem", hidden: "" }, entry.trouble, entry.remedy);
  entry.node = make(
    "article",
    { class: "card sink-card", "aria-label": `Sink ${name}` },
    make(
      "div",
      { class: "who" },
      make("div", { class: "line" }, make("h3", {}, ...breakable(name)), entry.state),
      entry.target,
      entry.leader,
    ),
    make("dl", {}, ...FIGURES.map(([id, title], index) => make("div", { class: id }, make("dt", {}, title), entry.values[index]))),
    entry.problem,
  );
  return entry;
}

function update(entry, sink, now) {
  write(entry.target, sink.target);
  set(entry.target, "title", sink.target);
  write(entry.state, WORDS[sink.state] ?? sink.state);
  set(entry.state, "data-state", sink.state);
  write(entry.leader, led(sink, now));
  FIGURES.forEach(([, , format, isAlarming], index) => {
    write(entry.values[index], format(sink));
    set(entry.values[index], "data-alarming", isAlarming?.(sink) ?? false);
  });
  show(entry.problem, sink.trouble !== null);
  if (sink.trouble === null) return;
  set(entry.problem, "data-urgent", sink.trouble.is_urgent);
  prose(entry.trouble, sink.trouble.text);
  prose(entry.remedy, sink.trouble.remedy);
}

function led({ leader, saved_at: savedAt }, now) {
  if (leader) return `led by ${leader.host}, pid ${leader.pid}, up ${duration(Math.floor((now - Date.parse(leader.started_at)) / 1000))}`;
  return savedAt ? `position last saved ${ago(savedAt, now)}` : "nobody is known to lead it";
}

function behind({ lag_events: events }) {
  return events !== null && events > 100_000 ? `≈ ${count(events)}` : count(events);
}

function left({ lag_events: events, seconds_left: seconds }) {
  if (seconds !== null) return duration(seconds);
  return events ? "unknown" : "–";
}
