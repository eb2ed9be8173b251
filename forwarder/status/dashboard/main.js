// Joins the line to the listener with what is shown.

import { Charts } from "./charts.js";
import { Connection, SILENCE_MS } from "./connection.js";
import { find, prose, set, show, write } from "./dom.js";
import { clock } from "./figures.js";
import { showLoads } from "./loads.js";
import { Outbox } from "./outbox.js";
import { showProcesses } from "./processes.js";
import { Recent } from "./recent.js";
import { showLanes, showShards } from "./shards.js";
import { showSinks } from "./sinks.js";
import { Tables } from "./tables.js";
import { offerThemes } from "./theme.js";
import { Verdict } from "./verdict.js";
import { showWarnings } from "./warnings.js";

// The page appears whole, with its tables; but it does not wait for them for longer than this.
const WHOLE_MS = 1500;
const LOOK_MS = 250;

offerThemes();
const recent = new Recent();
const verdict = new Verdict();
const charts = new Charts(recent);
const outbox = new Outbox();
const tables = new Tables();
let latest = null;
let heardAtClock = null;
let hasTables = false;
let firstAt = null;

const connection = new Connection({
  onEvent(event, content) {
    if (event === "history") recent.restore(content);
    if (event === "tables") {
      hasTables = true;
      tables.receive(content, latest?.outbox !== null);
    }
    if (event !== "status") return;
    latest = content;
    heardAtClock = Date.now();
    firstAt ??= performance.now();
    recent.add(content);
    showAll();
  },
  onRefused(wasRefused) {
    write(find("refusal"), wasRefused ? "That is not its token." : "");
    show(find("access"), true);
    verdict.sayAsked();
    pulse("connecting", "waiting for a token");
    find("token").focus();
  },
});

function showAll() {
  if (!find("access").hidden) show(find("access"), false);
  set(document.body, "data-lost", "false");
  verdict.say(latest);
  pulse("live", `live, ${clock(Date.parse(latest.at))}`);
  // Nobody sees a page in the background: what it shows is made when somebody does.
  if (document.hidden) return;
  const now = Date.parse(latest.at);
  write(find("database"), latest.database);
  charts.offer(latest.sinks);
  charts.update();
  showSinks(latest, now);
  showWarnings(latest);
  outbox.update(latest, now);
  showLoads(latest);
  showShards(latest);
  showLanes(latest);
  tables.render(now);
  showProcesses(latest, now);
  prose(find("foot"), `forwarder ${latest.forwarder}. \`forwarder status\` and \`/api/status\` say the same.`);
  if (hasTables || performance.now() - firstAt > WHOLE_MS) show(find("content"), true);
}

function look() {
  if (connection.isAsking) return;
  const silence = connection.silence(performance.now());
  if (silence < SILENCE_MS) return;
  set(document.body, "data-lost", "true");
  verdict.sayLost({ heardAt: heardAtClock, seconds: silence / 1000, reason: connection.reason });
  pulse("lost", "no word");
}

function pulse(state, text) {
  set(find("pulse"), "data-state", state);
  write(find("pulse-text"), text);
}

find("access").addEventListener("submit", (event) => {
  event.preventDefault();
  connection.useToken(find("token").value);
  find("token").value = "";
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  if (latest && connection.silence(performance.now()) < SILENCE_MS) showAll();
  connection.wake();
});
setInterval(look, LOOK_MS);
connection.run();
