/**
 * The messages of one session, counted in both directions so that a broken connection costs none of them
 * (PROTOCOL.md, "Resume"). Nothing is added to a message; where in the stream it stands is known by counting.
 */

import { encoder } from "./bytes.js";

/** What may wait for the server's acknowledgement; past these the session can't be resumed. */
const KEPT_MESSAGES_MAX = 4096;
const KEPT_BYTES_MAX = 4_194_304;

export type Stream = ReturnType<typeof createStream>;

export function createStream() {
  /** The last of what was sent, with its size: the newest is number `sent`. */
  const kept: { text: string; bytes: number }[] = [];
  let keptBytes = 0;
  let sent = 0;

  function forget(): void {
    keptBytes -= kept.shift()?.bytes ?? 0;
  }

  /** The other side has `received` of the sent. Returns whether that can be. */
  function acknowledge(received: number): boolean {
    if (received > sent) return false;
    while (sent - kept.length < received) forget();
    return true;
  }

  return {
    /** How many messages came in. */
    received: 0,

    /** Counts a message that is being sent, or would be if there were a connection. The oldest go when there are too many. */
    keep(text: string): void {
      const bytes = encoder.encode(text).length;
      sent++;
      keptBytes += bytes;
      kept.push({ text, bytes });
      while (keptBytes > KEPT_BYTES_MAX || kept.length > KEPT_MESSAGES_MAX) forget();
    },

    acknowledge,

    /** What the other side misses of the sent; null if that is no longer kept, or never was sent. */
    replay(received: number): string[] | null {
      const isKept = received >= sent - kept.length;
      return isKept && acknowledge(received) ? kept.map(({ text }) => text) : null;
    },
  };
}
