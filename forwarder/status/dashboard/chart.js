// One chart of the last 15 minutes: lines over a common time, the newest figures above it, or those of the moment that one points at.

import { draw, make, set, write } from "./dom.js";
import { SECONDS } from "./recent.js";
import { area, ceiling, line } from "./scale.js";

const HEIGHT = 150;
const TOP = 8;
const BOTTOM = 20;
const MARKS = [15, 10, 5, 0];

export class Chart {
  // `series` are [{name, title, isArea}], `format` writes a figure, `unit` is the least that the scale is made for.
  constructor({ title, series, format, unit, onPoint }) {
    this.series = series;
    this.format = format;
    this.unit = unit;
    this.width = 360;
    this.steps = [];
    this.top = unit;
    this.grid = draw("g");
    this.scale = draw("g", { class: "scale" });
    this.lines = series.map(({ name, isArea }) => draw("path", { class: `${isArea ? "area" : "line"} ${name}` }));
    this.cursor = draw("path", { class: "cursor" });
    this.picture = draw(
      "svg",
      { class: "plot", height: HEIGHT, role: "img", tabindex: "0" },
      this.grid,
      ...this.lines,
      this.scale,
      this.cursor,
    );
    this.figures = series.map(({ title: text, name }) => {
      const value = make("span", { class: "value" });
      return { value, node: make("p", { class: `figure ${name}` }, value, make("span", { class: "key" }, text)) };
    });
    this.title = title;
    this.node = make(
      "figure",
      { class: "card chart" },
      make("figcaption", {}, title),
      make("div", { class: "figures" }, ...this.figures.map(({ node }) => node)),
      this.picture,
    );
    this.#scaleLines();
    this.#listen(onPoint);
    new ResizeObserver(([{ contentRect }]) => this.#resize(Math.round(contentRect.width))).observe(this.picture);
  }

  // `pointed` is the index of the step that one points at, null for none.
  update(steps, end, pointed) {
    this.steps = steps;
    this.end = end;
    const highest = Math.max(0, ...steps.flatMap((step) => this.series.map(({ name }) => step[name] ?? 0)));
    this.top = ceiling(highest * 1.05, this.unit);
    this.#draw(pointed);
    set(this.picture, "aria-label", this.#spoken(highest));
  }

  #draw(pointed) {
    const floor = HEIGHT - BOTTOM;
    this.series.forEach(({ name, isArea }, index) => {
      const points = this.steps.map((step) => [this.#x(step.time), step[name] === null ? null : this.#y(step[name])]);
      set(this.lines[index], "d", isArea ? area(points, floor) : line(points));
    });
    [0.5, 1].forEach((part, index) => write(this.labels[index], this.format(this.top * part)));
    const step = pointed === null ? this.#newest() : this.steps[pointed];
    set(this.cursor, "d", pointed === null || !step ? "" : `M${this.#x(step.time).toFixed(1)} ${TOP}V${floor}`);
    this.series.forEach(({ name }, index) => write(this.figures[index].value, this.format(step?.[name] ?? null)));
  }

  // The last step may have begun just now: what nobody knows of it yet is that of the one before.
  #newest() {
    const last = this.steps.slice(-2);
    return last.reduceRight((found, step) => found ?? (this.series.some(({ name }) => step[name] !== null) ? step : null), null);
  }

  #scaleLines() {
    this.labels = [];
    const grid = [];
    for (const part of [0.5, 1]) {
      const y = this.#y(part, 1);
      const label = draw("text", { x: 0, y: y - 4 });
      this.labels.push(label);
      grid.push(draw("path", { d: `M0 ${y}H${this.width}`, class: "grid" }));
    }
    const floor = HEIGHT - BOTTOM;
    this.grid.replaceChildren(...grid, draw("path", { d: `M0 ${floor}H${this.width}`, class: "floor" }));
    const times = [];
    for (const minutes of MARKS) {
      const x = this.width * (1 - minutes / 15);
      const anchor = minutes === 15 ? "start" : minutes === 0 ? "end" : "middle";
      const text = minutes === 0 ? "now" : `${minutes} min`;
      times.push(draw("text", { x, y: HEIGHT - 4, "text-anchor": anchor }, text));
    }
    this.scale.replaceChildren(...this.labels, ...times);
  }

  #listen(onPoint) {
    const last = () => this.steps.length - 1;
    this.picture.addEventListener("pointermove", ({ offsetX }) => {
      onPoint(Math.min(last(), Math.max(0, Math.round((offsetX / this.width) * last()))));
    });
    this.picture.addEventListener("pointerleave", () => onPoint(null));
    this.picture.addEventListener("blur", () => onPoint(null));
    this.picture.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20, Home: -Infinity, End: Infinity }[event.key];
      if (event.key === "Escape") onPoint(null);
      if (move === undefined) return;
      event.preventDefault();
      onPoint((pointed) => Math.min(last(), Math.max(0, (pointed ?? last()) + move)));
    });
  }

  #resize(width) {
    if (!width || width === this.width) return;
    this.width = width;
    set(this.picture, "viewBox", `0 0 ${width} ${HEIGHT}`);
    this.#scaleLines();
    this.#draw(null);
  }

  #x(time) {
    return this.width * (1 - (this.end - time) / SECONDS);
  }

  #y(value, top = this.top) {
    return HEIGHT - BOTTOM - (value / top) * (HEIGHT - BOTTOM - TOP - 10);
  }

  #spoken(highest) {
    const now = this.figures.map(({ value }, index) => `${this.series[index].title} ${value.textContent}`).join(", ");
    return `${this.title}: ${now}. Highest in 15 minutes: ${this.format(highest)}. Arrow keys go through it.`;
  }
}
