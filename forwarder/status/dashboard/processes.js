// The processes that stand by.

import { find, list, make, sentence, write } from "./dom.js";
import { ago, duration } from "./figures.js";

export function showProcesses({ standbys, outbox }, now) {
  if (!standbys.length) return list(find("processes"), [null], outbox ? alone : unknown);
  list(find("processes"), standbys, {
    key: ({ host, pid, started_at: at }) => `${host}\n${pid}\n${at}`,
    create,
    update: (entry, process) => update(entry, process, now),
  });
}

const alone = sentence("None: while the leader starts anew, changes wait in the outbox.", "li");
const unknown = sentence("Not known now.", "li");

function create({ host, pid, version }) {
  const entry = { seen: make("span", { class: "right muted" }), sinks: make("p", { class: "muted" }) };
  entry.node = make(
    "li",
    {},
    make(
      "div",
      { class: "line" },
      make("span", { class: "name cut" }, host),
      make("span", { class: "muted" }, `pid ${pid}, ${version}`),
      entry.seen,
    ),
    entry.sinks,
  );
  return entry;
}

function update(entry, process, now) {
  const up = duration(Math.floor((now - Date.parse(process.started_at)) / 1000));
  write(entry.seen, `up ${up}, seen ${ago(process.seen_at, now)}`);
  const parts = [];
  if (process.stands_by.length) parts.push(`stands by for ${process.stands_by.join(", ")}`);
  if (process.leads.length) parts.push(`leads ${process.leads.join(", ")}`);
  write(entry.sinks, parts.join("; "));
}
