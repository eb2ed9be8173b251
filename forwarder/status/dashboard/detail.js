// All that is known of one table, in a dialog: the names and figures that a row cuts, and what its state rests on.

import { find, make, prose, write } from "./dom.js";
import { ago, count, size } from "./figures.js";
import { COLUMNS } from "./table_order.js";

export function showDetail(table, now) {
  write(find("detail-heading"), table.table);
  const detail = make("p", { class: "remedy" });
  prose(detail, table.detail);
  const facts = COLUMNS.slice(1).map(([member, title]) =>
    make("div", {}, make("dt", {}, title), make("dd", {}, written(table, member, now))),
  );
  find("detail-body").replaceChildren(...(table.detail ? [detail] : []), make("dl", { class: "facts" }, ...facts));
  find("detail").showModal();
}

function written(table, member, now) {
  const value = table[member];
  if (member.endsWith("_at")) return value ? `${new Date(value).toLocaleString("en-GB")}, ${ago(value, now)}` : "never";
  if (member === "bytes") return size(value);
  return typeof value === "number" ? count(value) : value;
}
