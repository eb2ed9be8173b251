// Figures as people read them. Pure. A figure and its unit are not parted at the end of a line.

const WHOLE = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const NONE = "–";

export function count(number) {
  return number === null || number === undefined ? NONE : WHOLE.format(number);
}

// Four characters at most: 0, 7.4, 940, 12k, 3.4M.
export function short(number) {
  if (number === null || number === undefined) return NONE;
  for (const [unit, factor] of [
    ["G", 1e9],
    ["M", 1e6],
    ["k", 1e3],
  ]) {
    if (number >= factor * 0.9995) return digits(number / factor) + unit;
  }
  return digits(number);
}

// A rate a second: 1,240, 7.4.
export function rate(number) {
  if (number === null || number === undefined) return NONE;
  return number >= 9.95 || Number.isInteger(number) ? WHOLE.format(number) : number.toFixed(1);
}

export function size(bytes) {
  if (bytes === null || bytes === undefined) return NONE;
  for (const [unit, factor] of [
    ["TB", 1e12],
    ["GB", 1e9],
    ["MB", 1e6],
    ["kB", 1e3],
  ]) {
    if (bytes >= factor * 0.9995) return `${digits(bytes / factor)}\u00a0${unit}`;
  }
  return `${bytes}\u00a0B`;
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return NONE;
  if (seconds <= 0) return "0\u00a0s";
  if (seconds < 0.9995) return `${Math.max(1, Math.round(seconds * 1000))}\u00a0ms`;
  if (seconds < 9.95 && !Number.isInteger(seconds)) return `${seconds.toFixed(1)}\u00a0s`;
  if (seconds < 119.5) return `${Math.round(seconds)}\u00a0s`;
  if (seconds < 7170) return `${Math.round(seconds / 60)}\u00a0min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)}\u00a0h\u00a0${Math.floor((seconds % 3600) / 60)}\u00a0min`;
  return `${Math.floor(seconds / 86_400)}\u00a0days`;
}

export function milliseconds(value) {
  return value === null || value === undefined ? NONE : duration(value / 1000);
}

export function percent(share) {
  return `${share > 0 && share < 0.0995 ? (100 * share).toFixed(1) : Math.round(100 * share)}\u00a0%`;
}

// How long ago a moment of the document was, by the document's own clock.
export function ago(moment, now) {
  if (!moment) return NONE;
  const seconds = (now - Date.parse(moment)) / 1000;
  return seconds < 1 ? "now" : `${duration(Math.floor(seconds))} ago`;
}

export function clock(milliseconds_) {
  return new Date(milliseconds_).toLocaleTimeString("en-GB");
}

export function plural(number, word, words = `${word}s`) {
  return `${count(number)} ${number === 1 ? word : words}`;
}

function digits(number) {
  if (number === 0) return "0";
  if (number >= 99.95) return String(Math.round(number));
  return number >= 9.95 || Number.isInteger(number) ? String(Math.round(number)) : number.toFixed(1);
}
