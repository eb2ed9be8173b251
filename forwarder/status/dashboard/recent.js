// The last 15 minutes of each sink, a point a second, by the database's clock. Pure.

export const SECONDS = 900;
// Seconds for which one point is drawn: their mean for rates, their worst for times.
export const STEP = 3;

export class Recent {
  constructor() {
    this.sinks = new Map();
    this.end = 0;
  }

  // What the listener remembers of the sinks that it leads. Of others, and of the time before it was started, there is what this page has seen.
  restore({ ends_at, sinks }) {
    const end = Math.floor(Date.parse(ends_at) / 1000);
    for (const [name, points] of Object.entries(sinks)) {
      const kept = new Map(this.sinks.get(name));
      points.slice(-SECONDS).forEach((point, index, all) => kept.set(end - (all.length - 1 - index), point));
      this.sinks.set(name, new Map([...kept].sort(([left], [right]) => left - right)));
    }
    this.end = Math.max(this.end, end);
  }

  add({ at, sinks }) {
    this.end = Math.floor(Date.parse(at) / 1000);
    for (const { name, live } of sinks) {
      if (!this.sinks.has(name)) this.sinks.set(name, new Map());
      const kept = this.sinks.get(name);
      if (live) kept.set(this.end, live.now);
      // A Map keeps the order in which its members came: the oldest are first.
      for (const second of kept.keys()) {
        if (second > this.end - SECONDS) break;
        kept.delete(second);
      }
    }
  }

  // The steps of the last 15 minutes, oldest first: {time, captured, delivered, oldest_seconds, p50_ms, p99_ms}, null where nobody knows.
  steps(sink) {
    const kept = sink === null ? [...this.sinks.values()] : [this.sinks.get(sink) ?? new Map()];
    const first = Math.ceil((this.end - SECONDS + 1) / STEP) * STEP;
    const steps = [];
    for (let time = first; time <= this.end; time += STEP) steps.push(step(kept, time));
    return steps;
  }
}

function step(kept, time) {
  const sums = { captured: null, delivered: null };
  const worst = { oldest_seconds: null, p50_ms: null, p99_ms: null };
  for (const points of kept) {
    const found = [];
    for (let second = time; second < time + STEP; second += 1) if (points.has(second)) found.push(points.get(second));
    if (!found.length) continue;
    for (const name of Object.keys(sums)) {
      sums[name] = (sums[name] ?? 0) + found.reduce((sum, point) => sum + point[name], 0) / found.length;
    }
    for (const name of Object.keys(worst)) {
      for (const point of found)
        if (point[name] !== null && point[name] !== undefined) worst[name] = Math.max(worst[name] ?? 0, point[name]);
    }
  }
  return { time, ...sums, ...worst };
}
