// What an operator should look at.

import { find, list, make, prose, sentence, set } from "./dom.js";

export function showWarnings({ warnings, sinks }) {
  // What stands at a sink already is not said again.
  const said = new Set(sinks.map(({ trouble }) => trouble?.text));
  const others = warnings.filter(({ text }) => !said.has(text));
  if (!others.length) return list(find("warnings"), [null], warnings.length ? nothingElse : nothing);
  list(find("warnings"), others, { key: ({ text }) => text, create, update });
}

const nothing = sentence("None.", "li");
const nothingElse = sentence("None but what is said above.", "li");

function create() {
  const entry = { what: make("p", { class: "what" }), remedy: make("p", { class: "remedy" }) };
  entry.node = make("li", { class: "problem" }, entry.what, entry.remedy);
  return entry;
}

function update(entry, { text, remedy, is_urgent: isUrgent }) {
  set(entry.node, "data-urgent", isUrgent);
  prose(entry.what, text);
  prose(entry.remedy, remedy);
}
