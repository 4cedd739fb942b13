import { connect } from "../lib/sheetbend.js";
import { message, pause, Sender, Tally } from "./tally.js";

const DIRECT_WITHIN_S = 10;
const tally = new Tally();
export const count = (options) => tally.count(options);
let member;
let path;
const others = new Set();
let writer;

export async function open({ port, room: id, receives, relayOnly }) {
  const room = await connect(`ws://127.0.0.1:${port}/ws`, { room: id, relayOnly, iceServers: [] });
  member = await new Promise((resolve) => {
    room.on("member", (other) => {
      if (receives) other.on("stream", read);
      resolve(other);
    });
  });
  if (receives) return;
  path = relayOnly ? "relay" : "direct";
  await reached();
  member.on("path", (now) => now !== path && others.add(now));
  writer = member.stream("bulk").writable.getWriter();
}

async function read({ readable }) {
  for await (const bytes of readable) tally.take(bytes);
}

async function reached() {
  const deadline = performance.now() + DIRECT_WITHIN_S * 1000;
  while (member.path !== path) {
    if (performance.now() > deadline) throw new Error(`the path is ${member.path}, not ${path}`);
    await pause(0.02);
  }
}

const sender = new Sender(async () => {
  await writer.ready;
  writer.write(message()).catch(() => {}); // `ready` rejects then too
});

export const start = () => sender.start();

/** Returns what was wrong: the path must have been the same all the time. */
export async function stop() {
  await sender.stop();
  if (member.path !== path) others.add(member.path);
  const faults = [...others].map((other) => `it went by ${other}, not ${path}, for a while`);
  others.clear();
  return faults;
}
