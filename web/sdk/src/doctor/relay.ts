/** The server's relay: two sessions of our own send to each other through it (PROTOCOL.md, "Relay"). */

import type { Session } from "./session.js";
import { Failed, type Found, skip } from "./trying.js";

const HEADER_BYTES = 25;
const ROOM_AT = 1;
const ROOM_BYTES = 8;
const MEMBER_AT = 9;
const KIND_KEPT = 1;
const PROBE_BYTES = 16;
const ROUND_TRIPS = 10;
const ROUND_TRIPS_MS_MAX = 1500;
const THROUGHPUT_MS = 1000;
/** Somebody may pay for each. */
const THROUGHPUT_BYTES_MAX = 8 * 1024 * 1024;
const PAYLOAD_BYTES = 16_000;
/** On their way at once: as a link has on the relay; of one sender the server lets 512 KiB wait. */
const WINDOW_BYTES = 256 * 1024;

/** Whether the page may compute what the header needs, and members could seal at all. */
export function assertRelayable(session: Session): void {
  if (!session.welcome.features.includes("relay")) throw skip("not_offered", "The server has no relay.");
  if (globalThis.crypto?.subtle === undefined) {
    throw skip("insecure_page", "Not tried: it takes a page from https or localhost.");
  }
}

/** Measures round trips between two sessions, then what comes through in a second. */
export async function tryRelayFrames(one: Session, other: Session, signal: AbortSignal): Promise<Found> {
  const roomId = `doctor-${hex(crypto.getRandomValues(new Uint8Array(16)))}`;
  try {
    await one.join(roomId);
    await other.join(roomId);
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
    throw skip(error.code, `The server lets us into no room for it: ${error.message}`);
  }
  const room = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(roomId)));
  const there = header(room, other.welcome.userId);
  const back = header(room, one.welcome.userId);
  const rttMs = await roundTripMs(one, other, there, back);
  const bytesPerS = await throughput(one, other, there, signal);
  return {
    note: `${rttMs.toFixed(1)} ms there and back, ${(bytesPerS / 1e6).toFixed(1)} MB/s`,
    detail: { rttMs: Math.round(rttMs * 100) / 100, bytesPerS: Math.round(bytesPerS) },
  };
}

/** The median of a few: from one member to the other, and back. */
async function roundTripMs(
  one: Session,
  other: Session,
  there: Uint8Array,
  back: Uint8Array,
): Promise<number> {
  other.onRelayed = (frame) => other.relay(joined(back, frame.subarray(HEADER_BYTES)));
  const took: number[] = [];
  const startedAt = performance.now();
  while (took.length < ROUND_TRIPS && performance.now() - startedAt < ROUND_TRIPS_MS_MAX) {
    const probe = crypto.getRandomValues(new Uint8Array(PROBE_BYTES));
    const sentAt = performance.now();
    await new Promise<void>((resolve) => {
      one.onRelayed = (frame) => hex(frame.subarray(HEADER_BYTES)) === hex(probe) && resolve();
      one.relay(joined(there, probe));
    });
    took.push(performance.now() - sentAt);
  }
  took.sort((a, b) => a - b);
  return took[took.length >> 1] ?? 0;
}

function throughput(one: Session, other: Session, there: Uint8Array, signal: AbortSignal): Promise<number> {
  const frame = joined(there, new Uint8Array(PAYLOAD_BYTES));
  const startedAt = performance.now();
  let sent = 0;
  let received = 0;
  const fill = () => {
    while (sent - received + PAYLOAD_BYTES <= WINDOW_BYTES && sent < THROUGHPUT_BYTES_MAX) {
      one.relay(frame);
      sent += PAYLOAD_BYTES;
    }
  };
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      other.onRelayed = () => {};
      resolve((received * 1000) / (performance.now() - startedAt));
    };
    const timer = setTimeout(end, THROUGHPUT_MS);
    signal.addEventListener("abort", end, { once: true });
    other.onRelayed = (arrived) => {
      received += arrived.length - HEADER_BYTES;
      if (received >= THROUGHPUT_BYTES_MAX) end();
      else fill();
    };
    fill();
  });
}

function header(room: Uint8Array, target: string): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  bytes[0] = KIND_KEPT;
  bytes.set(room.subarray(0, ROOM_BYTES), ROOM_AT);
  for (let i = 0; i < target.length; i += 2)
    bytes[MEMBER_AT + i / 2] = Number.parseInt(target.slice(i, i + 2), 16);
  return bytes;
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(first.length + second.length);
  bytes.set(first);
  bytes.set(second, first.length);
  return bytes;
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
