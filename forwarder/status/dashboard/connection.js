// The line to the listener: opens /api/events, opens it again whenever it ends, and says when nothing comes.

import { serverSentEvents } from "./sse.js";

// A status comes each second: without one for so long, what the page shows is no longer so.
export const SILENCE_MS = 2500;
// A connection that is silent for so long is given up for another.
const GIVE_UP_MS = 6000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 5000;
const KEY = "forwarder-token";

export class Connection {
  constructor({ onEvent, onRefused }) {
    this.onEvent = onEvent;
    this.onRefused = onRefused;
    this.heardAt = null;
    this.reason = "";
    this.controller = null;
    this.waiting = null;
    this.isAsking = false;
    this.firstWaitMs = FIRST_WAIT_MS;
    this.waitMs = this.firstWaitMs;
    takeTokenFromAddress();
  }

  // Milliseconds since the last status, since the beginning if there was none yet.
  silence(now) {
    return now - (this.heardAt ?? 0);
  }

  async run() {
    for (;;) {
      await this.#listen();
      while (this.isAsking) await this.#pause(3_600_000);
      // Not all pages at once, when a listener is back.
      await this.#pause(this.waitMs * (0.5 + Math.random() / 2));
      this.waitMs = Math.min(2 * this.waitMs, LONGEST_WAIT_MS);
    }
  }

  useToken(token) {
    sessionStorage.setItem(KEY, token);
    this.isAsking = false;
    this.waitMs = 0;
    this.wake();
  }

  // Try at once, whatever is left of the pause.
  wake() {
    this.waiting?.();
  }

  async #listen() {
    this.controller = new AbortController();
    let patience;
    const heard = () => {
      clearTimeout(patience);
      patience = setTimeout(() => this.controller.abort(), GIVE_UP_MS);
    };
    heard();
    try {
      const token = sessionStorage.getItem(KEY);
      const answer = await fetch("/api/events", {
        headers: { Accept: "text/event-stream", ...(token ? { Authorization: `Bearer ${bytes(token)}` } : {}) },
        cache: "no-store",
        signal: this.controller.signal,
      });
      if (answer.status === 401) return this.#ask(token !== null);
      if (!answer.ok) return this.#refused(answer);
      for await (const message of serverSentEvents(answer.body, (wait) => (this.firstWaitMs = wait))) {
        heard();
        if (message === null) {
          // A heartbeat without a status: the listener is there, and waits for something itself.
          if (this.silence(performance.now()) > SILENCE_MS / 2) this.reason = "It answers, and waits for its database.";
          continue;
        }
        const content = JSON.parse(message.data);
        if (message.event === "status") {
          this.heardAt = performance.now();
          this.reason = "";
          this.waitMs = this.firstWaitMs;
        }
        this.onEvent(message.event, content);
      }
    } catch (error) {
      this.reason = "";
      // A server that is gone shows by its silence, which is all that anybody can do something about.
      if (!(error instanceof TypeError || error.name === "AbortError" || error.name === "NetworkError")) throw error;
      this.reason = "";
    } finally {
      clearTimeout(patience);
      this.controller.abort();
    }
  }

  #ask(wasRefused) {
    sessionStorage.removeItem(KEY);
    this.isAsking = true;
    this.onRefused(wasRefused);
  }

  #refused(answer) {
    this.reason = answer.status === 503 ? "It has as many viewers as it serves." : `It answers ${answer.status}.`;
    const after = Number(answer.headers.get("Retry-After"));
    if (after > 0) this.waitMs = Math.min(after * 1000, 60_000);
  }

  #pause(milliseconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.waiting = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

// A header takes characters of one byte each: those of the token in UTF-8.
function bytes(token) {
  return String.fromCharCode(...new TextEncoder().encode(token));
}

// `/#token=…` opens the page without the form. The token is taken out of the address, where people would copy it from.
function takeTokenFromAddress() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return;
  sessionStorage.setItem(KEY, token);
  history.replaceState(null, "", location.pathname);
}
