/** One end of a reliable stream of numbers both ways: notes what didn't come as the next one, and every silence. */

import { now, peerConnections, selectedPath } from "./observe.js";
import { connect } from "./sdk.js";

const POLL_MS = 50;
const TICK_MS = 5;
/** Enough to see what is wrong. */
const WRONG_MAX = 20;
const ERRORS_MAX = 20;

const report = {
  /** Whether the SDK can send to a member at all; null until there is one. */
  canSend: null,
  sent: 0,
  received: 0,
  /** `[expected, came]` of each number that wasn't the next one. */
  wrong: [],
  longestSilenceMs: 0,
  paths: [],
  errors: [],
};

let other = null;
let ticking = 0;
let heardAt = null;

function receive(number) {
  if (number !== report.received && report.wrong.length < WRONG_MAX)
    report.wrong.push([report.received, number]);
  report.received++;
  if (heardAt !== null) report.longestSilenceMs = Math.max(report.longestSilenceMs, now() - heardAt);
  heardAt = now();
}

function meet(member) {
  other = member;
  report.canSend = typeof member.send === "function";
  if (report.canSend) member.on("message", (data) => receive(Number(data)));
}

function fail(error) {
  if (report.errors.length < ERRORS_MAX) report.errors.push(String(error));
}

async function send() {
  try {
    await other.send(String(report.sent++), { reliable: true });
  } catch (error) {
    fail(error);
  }
}

async function notePath() {
  const found = await Promise.all(peerConnections.map(selectedPath));
  const path = found.find(Boolean)?.path ?? null;
  if (path !== (report.paths.at(-1)?.path ?? null)) report.paths.push({ at: now(), path });
  setTimeout(notePath, POLL_MS);
}

window.lab = {
  report,

  async join(url, roomId) {
    const room = await connect(url, { room: roomId });
    room.on("error", fail);
    room.on("member", meet);
    notePath();
  },

  /** Timers come late on a busy machine: the clock says how many are due. */
  start(perSecond) {
    const startedAt = now();
    ticking = setInterval(() => {
      const due = ((now() - startedAt) / 1000) * perSecond;
      while (report.sent < due) send();
    }, TICK_MS);
  },

  stop() {
    clearInterval(ticking);
  },
};
