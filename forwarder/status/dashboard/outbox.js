// The outbox: its ring of tables, and how writers wake the listener.

import { draw, find, make, set, write } from "./dom.js";
import { ago, count, plural, rate, size } from "./figures.js";
import { sector } from "./scale.js";

const INNER = 52;
const OUTER = 92;
// Of a turn, between two leaves.
const GAP = 0.006;
const STATES = [
  ["current", "written to"],
  ["full", "held for sinks or history"],
  ["emptying", "being emptied"],
  ["empty", "empty"],
];

export class Outbox {
  constructor() {
    this.leaves = [];
    this.total = draw("text", { class: "total", y: 2 });
    this.number = draw("text", { class: "of", y: 20 });
    this.ring = draw("g", {});
    this.picture = draw("svg", { viewBox: "-112 -112 224 224", role: "img", class: "ring" }, this.ring, this.total, this.number);
    this.legend = STATES.map(([state, text]) => {
      const entry = { state, number: make("td", { class: "number" }), bytes: make("td", { class: "number" }) };
      const swatch = make("span", { class: "swatch", "data-state": state, "aria-hidden": "true" });
      entry.node = make("tr", {}, make("th", { scope: "row" }, swatch, text), entry.number, entry.bytes);
      return entry;
    });
    this.facts = ["oldest undelivered change", "history kept since", "woken by", "open writers", "doorbell now"].map((title) => {
      const value = make("dd");
      return { value, node: make("div", {}, make("dt", {}, title), value) };
    });
    const head = make(
      "tr",
      {},
      make("th", { scope: "col" }, "Leaf"),
      make("th", { scope: "col" }, "Count"),
      make("th", { scope: "col" }, "Bytes"),
    );
    const legend = make("table", { class: "legend" }, make("thead", {}, head), make("tbody", {}, ...this.legend.map(({ node }) => node)));
    const facts = make("dl", { class: "facts" }, ...this.facts.map(({ node }) => node));
    find("outbox").append(this.picture, make("div", { class: "beside" }, legend, facts));
  }

  update({ outbox, doorbell, sinks }, now) {
    const leaves = outbox?.leaves ?? [];
    this.#drawRing(leaves);
    write(this.total, size(outbox?.bytes));
    write(this.number, outbox ? `in ${plural(leaves.length, "leaf", "leaves")}` : "not known now");
    for (const { state, number, bytes } of this.legend) {
      const these = leaves.filter((leaf) => leaf.state === state);
      write(number, count(these.length));
      write(bytes, size(these.reduce((sum, leaf) => sum + leaf.bytes, 0)));
    }
    const isBehind = sinks.some(({ lag_events: events }) => events !== 0);
    const oldest = !outbox ? "–" : outbox.oldest_at ? ago(outbox.oldest_at, now) : isBehind ? "–" : "none";
    const texts = [
      oldest,
      outbox ? ago(outbox.history_since, now) : "–",
      woken(doorbell),
      doorbell ? plural(doorbell.writers_in_the_way, "transaction") : "–",
      armed(doorbell),
    ];
    this.facts.forEach(({ value }, index) => write(value, texts[index]));
    const states = STATES.map(([state, text], index) => `${this.legend[index].number.textContent} ${text}`).join(", ");
    set(this.picture, "aria-label", `The outbox as a ring of ${leaves.length} leaves: ${states}. ${this.total.textContent} in all.`);
  }

  // A leaf is as deep as it is full, beside the fullest; its track shows where it goes when it is not.
  #drawRing(leaves) {
    const key = leaves.map(({ number }) => number).join();
    if (key !== this.key) {
      this.key = key;
      this.leaves = leaves.map(({ number }, index) => leafAt(index, leaves.length, number));
      this.ring.replaceChildren(...this.leaves.map(({ node }) => node));
    }
    const fullest = Math.max(1, ...leaves.map(({ bytes }) => bytes));
    leaves.forEach(({ number, state, bytes }, index) => {
      const leaf = this.leaves[index];
      const [from, to] = [index / leaves.length + GAP, (index + 1) / leaves.length - GAP];
      const depth = bytes ? Math.max(2, (OUTER - INNER) * (bytes / fullest)) : 0;
      set(leaf.node, "data-state", state);
      set(leaf.fill, "d", depth ? sector(from, to, INNER, INNER + depth) : "");
      write(leaf.title, `Leaf ${number}: ${STATES.find(([name]) => name === state)?.[1] ?? state}, ${size(bytes)}`);
    });
  }
}

function leafAt(index, all, number) {
  const [from, to] = [index / all + GAP, (index + 1) / all - GAP];
  const angle = 2 * Math.PI * ((from + to) / 2 - 0.25);
  const leaf = { title: draw("title"), fill: draw("path", { class: "fill" }) };
  const label = draw("text", { x: (102 * Math.cos(angle)).toFixed(1), y: (102 * Math.sin(angle) + 3.5).toFixed(1) }, String(number));
  leaf.node = draw(
    "g",
    { class: "leaf" },
    leaf.title,
    draw("path", { class: "track", d: sector(from, to, INNER, OUTER) }),
    leaf.fill,
    label,
  );
  return leaf;
}

function woken(doorbell) {
  if (!doorbell) return "–";
  if (doorbell.mode !== "doorbell") return "polling";
  const rings = doorbell.rings_per_second === null ? "" : `, ${rate(doorbell.rings_per_second)}/s`;
  return `doorbell${rings}`;
}

// It is armed only while the listener sleeps: writers that find it so ring.
function armed(doorbell) {
  if (!doorbell || doorbell.is_armed === null) return "–";
  return doorbell.is_armed ? "armed" : "not armed: awake";
}
