// What each sink was told of each table. Of thousands, only the rows that one sees are in the page.

import { find, list, make, set, show, write } from "./dom.js";
import { ago, count, plural, short, size } from "./figures.js";
import { showDetail } from "./detail.js";
import { COLUMNS, chosen, needsAttention } from "./table_order.js";

export const STATES = ["captured", "loading", "paused", "drifted", "gap", "removed"];
const ROW = 36;
const MARGIN = 8;

export class Tables {
  constructor() {
    this.tables = [];
    this.rows = [];
    this.none = "";
    this.now = 0;
    this.order = { by: "table", isDown: false };
    this.scroller = find("scroller");
    this.#makeTable();
    this.#listen();
  }

  // `isKnown` is whether the database could be asked.
  receive(tables, isKnown) {
    this.tables = tables;
    this.none = isKnown ? "No table is captured yet: forwarder migrate captures some." : "Not known now.";
    const sinks = [...new Set(tables.map(({ sink }) => sink))].sort();
    const attention = tables.filter(needsAttention).length;
    const of = (name) => tables.filter(({ state }) => state === name).length;
    options(find("state-filter"), [
      ["", `all (${count(tables.length)})`],
      ["attention", `needs attention (${count(attention)})`],
      ...STATES.map((state) => [state, `${state} (${count(of(state))})`]),
    ]);
    options(find("sink-filter"), [["", "all"], ...sinks.map((sink) => [sink, sink])]);
    show(find("sink-choice"), sinks.length > 1);
    set(this.table, "data-sinks", sinks.length > 1 ? "several" : "one");
    this.choose();
  }

  choose() {
    const filter = { words: find("search").value, state: find("state-filter").value, sink: find("sink-filter").value };
    this.rows = chosen(this.tables, { ...filter, ...this.order });
    const isFiltered = this.rows.length !== this.tables.length;
    write(
      find("tables-note"),
      isFiltered ? `${count(this.rows.length)} of ${plural(this.tables.length, "table")}` : plural(this.tables.length, "table"),
    );
    this.render();
  }

  render(now = this.now) {
    this.now = now;
    const first = Math.max(0, Math.floor(this.scroller.scrollTop / ROW) - MARGIN);
    const visible = this.rows.slice(first, first + Math.ceil(this.scroller.clientHeight / ROW) + 2 * MARGIN);
    this.before.style.height = `${first * ROW}px`;
    this.after.style.height = `${(this.rows.length - first - visible.length) * ROW}px`;
    set(this.table, "aria-rowcount", this.rows.length + 1);
    this.scroller.style.height = `${Math.min(14, Math.max(2, this.tables.length + 1)) * ROW + 12}px`;
    show(this.nothing, !this.rows.length);
    write(this.nothing, this.tables.length ? "No table is like that." : this.none);
    list(
      this.body,
      visible.map((table, index) => ({ table, index: first + index })),
      {
        // Rows are used again for whatever is in sight, which is less work than to make others.
        key: ({ index }) => index % 64,
        create: () => this.#makeRow(),
        update: (row, { table, index }) => fillRow(row, table, index, this.now),
      },
    );
  }

  #makeTable() {
    this.heads = COLUMNS.map(([member, title]) => {
      const button = make("button", { type: "button" }, title);
      button.addEventListener("click", () => this.#sortBy(member));
      return make("th", { scope: "col", class: member, "aria-sort": "none" }, button);
    });
    this.body = make("tbody");
    // Each is as high as the rows that are out of sight on its side.
    this.before = make("tr");
    this.after = make("tr");
    this.table = make(
      "table",
      { "aria-labelledby": "tables-heading" },
      make("thead", {}, make("tr", {}, ...this.heads)),
      spacer(this.before),
      this.body,
      spacer(this.after),
    );
    this.nothing = make("p", { class: "nothing", hidden: "" });
    this.scroller.append(this.table, this.nothing);
    this.#showOrder();
  }

  #makeRow() {
    const row = { table: null };
    row.name = make("button", { type: "button", class: "name cut" });
    row.name.addEventListener("click", () => showDetail(row.shown, this.now));
    row.state = make("span", { class: "pill" });
    const first = make("th", { scope: "row", class: "table" }, row.name);
    row.cells = COLUMNS.slice(1).map(([member]) => make("td", { class: member }));
    row.cells[1].append(row.state);
    row.node = make("tr", {}, first, ...row.cells);
    return row;
  }

  #listen() {
    let isDue = false;
    this.scroller.addEventListener("scroll", () => {
      if (isDue) return;
      isDue = true;
      requestAnimationFrame(() => {
        isDue = false;
        this.render();
      });
    });
    new ResizeObserver(() => this.render()).observe(this.scroller);
    const again = () => {
      this.scroller.scrollTop = 0;
      this.choose();
    };
    find("search").addEventListener("input", again);
    find("state-filter").addEventListener("change", again);
    find("sink-filter").addEventListener("change", again);
    document.addEventListener("keydown", (event) => {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.target.closest("input, select, textarea, dialog")) return;
      event.preventDefault();
      find("search").focus();
    });
  }

  #sortBy(member) {
    const isSame = this.order.by === member;
    const isLargestFirst = COLUMNS.find(([name]) => name === member)[2];
    this.order = { by: member, isDown: isSame ? !this.order.isDown : isLargestFirst };
    this.#showOrder();
    this.scroller.scrollTop = 0;
    this.choose();
  }

  #showOrder() {
    COLUMNS.forEach(([member], index) => {
      set(this.heads[index], "aria-sort", member !== this.order.by ? "none" : this.order.isDown ? "descending" : "ascending");
    });
  }
}

function spacer(row) {
  return make("tbody", { class: "spacer", "aria-hidden": "true" }, row);
}

function fillRow(row, table, index, now) {
  row.shown = table;
  set(row.node, "aria-rowindex", index + 2);
  write(row.name, table.table);
  set(row.name, "title", table.table);
  write(row.state, table.state);
  set(row.state, "data-state", table.state);
  COLUMNS.slice(1).forEach(([member], column) => {
    if (member === "state") return;
    const cell = row.cells[column];
    const value = table[member];
    write(cell, written(member, value, now));
    if (typeof value === "number") set(cell, "data-zero", value === 0);
    if (member === "errors") set(cell, "data-alarming", value > 0);
  });
}

function written(member, value, now) {
  if (member.endsWith("_at")) return ago(value, now);
  if (member === "bytes") return size(value);
  if (typeof value === "number") return value >= 100_000_000 ? short(value) : count(value);
  return value;
}

function options(select, wanted) {
  const chosenValue = select.value;
  if (select.options.length !== wanted.length || wanted.some(([value], index) => select.options[index].value !== value)) {
    select.replaceChildren(...wanted.map(([value, text]) => make("option", { value }, text)));
    if (wanted.some(([value]) => value === chosenValue)) select.value = chosenValue;
  } else wanted.forEach(([, text], index) => write(select.options[index], text));
}
