// The three charts, of all sinks or of the one that is chosen.

import { Chart } from "./chart.js";
import { find, make, set, show, write } from "./dom.js";
import { clock, duration, milliseconds, rate, short } from "./figures.js";

export class Charts {
  constructor(recent) {
    this.recent = recent;
    this.pointed = null;
    this.choice = find("chosen-sink");
    this.moment = find("moment");
    const onPoint = (pointed) => this.#point(pointed);
    this.charts = [
      new Chart({
        title: "Changes a second",
        series: [
          { name: "captured", title: "captured", isArea: true },
          { name: "delivered", title: "delivered" },
        ],
        format: (value) => (value !== null && value >= 100_000 ? short(value) : rate(value)),
        unit: 10,
        onPoint,
      }),
      new Chart({
        title: "Age of the oldest undelivered change",
        series: [{ name: "oldest_seconds", title: "behind" }],
        format: duration,
        unit: 1,
        onPoint,
      }),
      new Chart({
        title: "Request latency",
        series: [
          { name: "p99_ms", title: "p99" },
          { name: "p50_ms", title: "p50" },
        ],
        format: milliseconds,
        unit: 10,
        onPoint,
      }),
    ];
    find("charts").append(...this.charts.map(({ node }) => node));
    this.choice.addEventListener("change", () => this.update());
  }

  // Those whom one can choose.
  offer(sinks) {
    const names = sinks.map(({ name }) => name);
    const offered = [...this.choice.options].slice(1).map(({ value }) => value);
    if (this.choice.options.length && names.join("\n") === offered.join("\n")) return;
    const chosen = names.includes(this.choice.value) ? this.choice.value : "";
    this.choice.replaceChildren(make("option", { value: "" }, "all sinks"), ...names.map((name) => make("option", { value: name }, name)));
    this.choice.value = chosen;
    show(find("chosen"), names.length > 1);
  }

  update() {
    const steps = this.recent.steps(this.choice.value || null);
    const isOfSeveral = !this.choice.value && this.choice.options.length > 2;
    const step = this.pointed === null ? null : steps[this.pointed];
    const isKnown = steps.some(({ captured, p99_ms: p99 }) => captured !== null || p99 !== null);
    const untouched = !isKnown
      ? "nobody knows: no process that leads a sink has told"
      : isOfSeveral
        ? "rates of all, times of the slowest"
        : "arrow keys or a finger show a moment";
    write(this.moment, step ? `at ${clock(step.time * 1000)}` : untouched);
    set(this.moment, "data-pointed", step !== null);
    for (const chart of this.charts) chart.update(steps, this.recent.end, this.pointed);
  }

  #point(pointed) {
    this.pointed = typeof pointed === "function" ? pointed(this.pointed) : pointed;
    this.update();
  }
}
