// Loads of rows that were there before.

import { find, list, make, sentence, set, write } from "./dom.js";
import { count, duration, percent, size } from "./figures.js";

export function showLoads({ loads }) {
  if (!loads.length) return list(find("loads"), [null], sentence("None is running."));
  list(find("loads"), loads, { key: ({ sink, table }) => `${sink}\n${table}`, create, update });
}

function create({ table, sink }) {
  const entry = {
    state: make("span", { class: "pill" }),
    left: make("span", { class: "right" }),
    rows: make("p", { class: "muted figures-line" }),
  };
  entry.fill = make("span");
  entry.bar = make(
    "div",
    { class: "meter", role: "progressbar", "aria-label": `Load of ${table}`, "aria-valuemin": 0, "aria-valuemax": 100 },
    entry.fill,
  );
  const name = make("span", { class: "name cut", title: table }, table);
  const head = make("div", { class: "line" }, name, make("span", { class: "muted cut" }, `to ${sink}`), entry.state, entry.left);
  entry.node = make("div", { class: "load" }, head, entry.bar, entry.rows);
  return entry;
}

function update(entry, { state, rows, bytes, estimated_rows: estimated, seconds_left: left }) {
  // The number of rows is estimated by the server's statistics: a load is done when it says so, not when it has read as many.
  const share = estimated ? Math.min(0.99, rows / estimated) : null;
  write(entry.state, state);
  write(entry.left, left === null ? "" : `${duration(left)} left`);
  write(
    entry.rows,
    `${count(rows)}${estimated ? ` of about ${count(Math.max(estimated, rows))}` : ""} rows · ${size(bytes)}${share === null ? "" : ` · ${percent(share)}`}`,
  );
  entry.fill.style.transform = `scaleX(${share ?? 0})`;
  if (share !== null) set(entry.bar, "aria-valuenow", Math.round(100 * share));
}
