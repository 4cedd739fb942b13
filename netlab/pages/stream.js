/** One end of a reliable stream of numbers both ways: notes what didn't come as the next one, and every silence. */

import { now } from "./observe.js";
import { connect } from "./sdk.js";

const TICK_MS = 5;
/** Enough to see what is wrong. */
const WRONG_MAX = 20;
const ERRORS_MAX = 20;
/** A lost packet of the relay makes shorter ones. */
const SILENT_MS = 500;
/** Who is told that it can't send now waits: what is lost then isn't the link's doing. */
const PENDING_MAX = 20_000;

const report = {
  sent: 0,
  received: 0,
  /** `[expected, came]` of each number that wasn't the next one. */
  wrong: [],
  /** As the SDK says. */
  path: null,
  errors: [],
};

let other = null;
let ticking = 0;
let pending = 0;
let heardAt = null;
let longestSilenceMs = 0;

function receive(number) {
  if (number !== report.received && report.wrong.length < WRONG_MAX)
    report.wrong.push([report.received, number]);
  report.received++;
  longestSilenceMs = Math.max(longestSilenceMs, now() - (heardAt ?? now()));
  heardAt = now();
}

function meet(member) {
  if (other) fail("a second member");
  other = member;
  member.on("message", (data) => receive(Number(data)));
  member.on("path", (path) => {
    report.path = path;
  });
}

function fail(error) {
  if (report.errors.length < ERRORS_MAX) report.errors.push(String(error));
}

async function send() {
  pending++;
  try {
    await other.send(String(report.sent++));
  } catch (error) {
    fail(error);
  }
  pending--;
}

window.lab = {
  report,

  async join(url, roomId) {
    const room = await connect(url, { room: roomId });
    room.on("error", fail);
    room.on("member", meet);
    room.on("left", () => fail("the member left"));
  },

  /** Timers come late on a busy machine: the clock says how many are due. */
  start(perSecond) {
    let last = now();
    heardAt = last;
    let due = 0;
    ticking = setInterval(() => {
      due += ((now() - last) / 1000) * perSecond;
      last = now();
      for (; due >= 1; due--) if (pending < PENDING_MAX) send();
    }, TICK_MS);
  },

  stop() {
    clearInterval(ticking);
  },

  /** Silences are measured from here on. */
  mark() {
    longestSilenceMs = 0;
  },

  isSilent() {
    return now() - heardAt > SILENT_MS;
  },

  /** The one that lasts included. */
  longestSilence() {
    return Math.max(longestSilenceMs, now() - heardAt);
  },
};
