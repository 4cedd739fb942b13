// Two WebSockets and a plain relay. The relay's memory has no bound, so the receiver says what it has, and the sender
// keeps no more than a window on the way.

import { MESSAGE_BYTES, message, Sender, Tally } from "./tally.js";

const ID_BYTES = 16;
const WINDOW_MESSAGES = Math.floor((1 << 20) / MESSAGE_BYTES);
const ACK_MESSAGES = 16;
const tally = new Tally();
export const count = (options) => tally.count(options);
let socket;
let other;
let sent = 0;
let acknowledged = 0;
let woken = () => {};

export async function open({ port, room, receives }) {
  socket = new WebSocket(`ws://127.0.0.1:${port}/`);
  socket.binaryType = "arraybuffer";
  const own = await new Promise((resolve, reject) => {
    socket.onmessage = ({ data }) => resolve(data);
    socket.onerror = reject;
  });
  socket.onmessage = receives ? receive : acknowledge;
  other = await exchange(room, own);
}

/** Tells the other page's id: both say theirs, and once more when they hear the other's for the first time. */
function exchange(room, own) {
  const pages = new BroadcastChannel(room);
  pages.postMessage(own);
  return new Promise((resolve) => {
    pages.onmessage = ({ data }) => {
      pages.onmessage = null;
      pages.postMessage(own);
      resolve(Uint8Array.from(data.match(/../g), (digits) => Number.parseInt(digits, 16)));
    };
  });
}

function receive({ data }) {
  tally.take(new Uint8Array(data, ID_BYTES));
  const received = tally.bytes / MESSAGE_BYTES;
  if (received % ACK_MESSAGES !== 0) return;
  const ack = new Uint8Array(ID_BYTES + 4);
  ack.set(other);
  new DataView(ack.buffer).setUint32(ID_BYTES, received);
  socket.send(ack);
}

function acknowledge({ data }) {
  acknowledged = new DataView(data).getUint32(ID_BYTES);
  woken();
}

const sender = new Sender(async () => {
  while (sent - acknowledged < WINDOW_MESSAGES) {
    const bytes = message(ID_BYTES);
    bytes.set(other);
    socket.send(bytes);
    sent++;
  }
  await new Promise((resolve) => {
    woken = resolve;
  });
});

export const start = () => sender.start();

export async function stop() {
  await sender.stop();
  return [];
}
