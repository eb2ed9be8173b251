// The one sentence: whether it is well, and if not, what to do.

import { find, prose, set, write } from "./dom.js";
import { clock, duration, plural } from "./figures.js";

export class Verdict {
  constructor() {
    this.node = find("verdict");
    this.state = "waiting";
  }

  say(document_) {
    const isUrgent = document_.warnings.some((warning) => warning.is_urgent) || document_.sinks.some(({ trouble }) => trouble?.is_urgent);
    const state = !document_.is_well ? (isUrgent ? "bad" : "warn") : isUrgent ? "warn" : "well";
    // The figures in the sentence that says that all is well would not let it stand still.
    if (document_.is_well) this.#write(state, calm(document_), document_.summary);
    else this.#write(state, document_.summary, document_.remedy);
  }

  // `heardAt` is when the last status came, by this machine's clock, or null; `seconds` how long nothing was heard.
  sayLost({ heardAt, seconds, reason }) {
    const text = heardAt === null ? "No word from the listener yet" : `No word from the listener since ${clock(heardAt)}`;
    const shown = heardAt === null ? "" : `What is below was so ${duration(Math.floor(seconds))} ago. `;
    const why = reason || "Its process, its host or the way to it may be gone.";
    this.#write("lost", text, `${why} ${shown}This page asks again by itself.`);
  }

  sayAsked() {
    this.#write("waiting", "This listener asks for a token", "");
  }

  #write(state, summary, remedy) {
    set(this.node, "data-state", state);
    prose(find("summary"), summary);
    prose(find("remedy"), remedy);
    // Told to screen readers when it changes between well and not, and not with each figure in the sentence.
    if (state === this.state) return;
    this.state = state;
    write(find("announced"), summary);
    const mark = { well: "", waiting: "", warn: "! ", bad: "!! ", lost: "? " }[state];
    document.title = `${mark}forwarder`;
  }
}

function calm({ warnings }) {
  return warnings.length ? `All is well, with ${plural(warnings.length, "warning")}` : "All is well";
}
