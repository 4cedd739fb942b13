/**
 * The messages of one session, counted in both directions so that a broken connection costs none of them
 * (PROTOCOL.md, "Resume"). Nothing is added to a message; where in the stream it stands is known by counting.
 */

/** What may wait for the server's acknowledgement; past these the session can't be resumed. */
const KEPT_MESSAGES_MAX = 4096;
const KEPT_BYTES_MAX = 4_194_304;

const encoder = new TextEncoder();

export class Stream {
  sent = 0;
  received = 0;
  /** The last of what was sent, with its size: the newest is number `sent`. */
  readonly #kept: { text: string; bytes: number }[] = [];
  #bytes = 0;

  /** Counts a message that is being sent, or would be if there were a connection. The oldest go when there are too many. */
  keep(text: string): void {
    const bytes = encoder.encode(text).length;
    this.sent++;
    this.#bytes += bytes;
    this.#kept.push({ text, bytes });
    while (this.#bytes > KEPT_BYTES_MAX || this.#kept.length > KEPT_MESSAGES_MAX) this.#forget();
  }

  /** The other side has `received` of the sent. Returns whether that can be. */
  acknowledge(received: number): boolean {
    if (received > this.sent) return false;
    while (this.sent - this.#kept.length < received) this.#forget();
    return true;
  }

  /** What the other side misses of the sent; null if that is no longer kept, or never was sent. */
  replay(received: number): string[] | null {
    const isKept = received >= this.sent - this.#kept.length;
    return isKept && this.acknowledge(received) ? this.#kept.map(({ text }) => text) : null;
  }

  #forget(): void {
    this.#bytes -= this.#kept.shift()?.bytes ?? 0;
  }
}
