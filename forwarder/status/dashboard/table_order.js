// Which tables are shown, and in which order. Pure.

// [member, title, whether the largest comes first]
export const COLUMNS = [
  ["table", "Table", false],
  ["sink", "Sink", false],
  ["state", "State", false],
  ["inserts", "Inserts", true],
  ["updates", "Updates", true],
  ["deletes", "Deletes", true],
  ["truncates", "Truncates", true],
  ["reads", "Loaded", true],
  ["schema_changes", "DDL", true],
  ["others", "Other", true],
  ["bytes", "Bytes", true],
  ["errors", "Errors", true],
  ["last_change_at", "Last change", true],
  ["last_delivered_at", "Delivered", true],
];
// What needs somebody comes first.
const RANKS = { gap: 0, drifted: 1, paused: 2, loading: 3, captured: 4, removed: 5 };

const collator = new Intl.Collator("en", { numeric: true });

export function needsAttention({ state, errors }) {
  return RANKS[state] < RANKS.loading || errors > 0;
}

export function chosen(tables, { words, state, sink, by, isDown }) {
  const parts = words.toLowerCase().split(/\s+/).filter(Boolean);
  const found = tables.filter(
    (table) =>
      parts.every((part) => table.table.toLowerCase().includes(part)) &&
      (!sink || table.sink === sink) &&
      (!state || (state === "attention" ? needsAttention(table) : table.state === state)),
  );
  const sign = isDown ? -1 : 1;
  return found.sort(
    (left, right) =>
      sign * compared(left, right, by) || collator.compare(left.table, right.table) || collator.compare(left.sink, right.sink),
  );
}

function compared(left, right, by) {
  if (by === "state") return RANKS[left.state] - RANKS[right.state];
  if (by === "table" || by === "sink") return collator.compare(left[by], right[by]);
  if (by.endsWith("_at")) return Date.parse(left[by] ?? 0) - Date.parse(right[by] ?? 0);
  return left[by] - right[by];
}
