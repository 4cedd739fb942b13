/**
 * What was asked of the server and not answered yet, in order.
 *
 * A request is sent when the room is there, and settles when the event it causes comes back, or an error with its ref.
 * If the connection breaks in between, a request that may be repeated is sent again; any other is rejected with
 * `connection_lost`, because nobody knows whether it arrived.
 */

import { SheetbendError } from "./errors.js";
import type { Say, Update } from "./messages.js";

/** A message to send, under `ref`. */
export interface Request {
  /** Null while it can't be said yet to whom. Throws a SheetbendError if it can't be sent. */
  build(ref: string): Say | Update | null;
  /** Whether sending it twice is the same as once. */
  repeatable: boolean;
}

interface Entry extends Request {
  sent: boolean;
  resolve(offset: number): void;
  reject(error: unknown): void;
}

const PENDING_MAX = 256;

export class Requests {
  readonly #entries = new Map<string, Entry>();
  readonly #transmit: (message: Say | Update) => void;
  readonly #isReady: () => boolean;
  #refs = 0;

  /** @param isReady whether the room is there @param transmit sends a message then, or throws a SheetbendError */
  constructor(isReady: () => boolean, transmit: (message: Say | Update) => void) {
    this.#isReady = isReady;
    this.#transmit = transmit;
  }

  /** Resolves with the offset of the event that the request caused. */
  add(request: Request): Promise<number> {
    return new Promise((resolve, reject) => {
      if (this.#entries.size >= PENDING_MAX) {
        throw new SheetbendError("too_many_pending", `${PENDING_MAX} requests wait for the server already.`);
      }
      this.#entries.set(this.nextRef(), { ...request, sent: false, resolve, reject });
      this.flush();
    });
  }

  /** A ref that nothing else of this client has. */
  nextRef(): string {
    return (++this.#refs).toString(36);
  }

  /** Sends what waits, in order; stops at a request that can't be sent yet. */
  flush(): void {
    if (!this.#isReady()) return;
    for (const [ref, entry] of this.#entries) {
      if (!entry.sent && !this.#send(ref, entry)) return;
    }
  }

  /** An answer came; without a known ref it is not one of ours. */
  resolve(ref: string | undefined, offset: number): void {
    this.#take(ref)?.resolve(offset);
  }

  /** Returns whether anything waited for this answer. */
  reject(ref: string | undefined, error: SheetbendError): boolean {
    const entry = this.#take(ref);
    entry?.reject(error);
    return entry !== undefined;
  }

  /** The connection broke. */
  lost(): void {
    for (const [ref, entry] of this.#entries) {
      if (entry.sent && !entry.repeatable) {
        this.reject(
          ref,
          new SheetbendError("connection_lost", "The connection broke before the answer came."),
        );
      }
      entry.sent = false;
    }
  }

  /** Nothing will be sent any more. */
  close(error: SheetbendError): void {
    for (const ref of [...this.#entries.keys()]) this.reject(ref, error);
  }

  #send(ref: string, entry: Entry): boolean {
    try {
      const message = entry.build(ref);
      if (!message) return false;
      this.#transmit(message);
      entry.sent = true;
    } catch (error) {
      this.#entries.delete(ref);
      entry.reject(error);
    }
    return true;
  }

  #take(ref = ""): Entry | undefined {
    const entry = this.#entries.get(ref);
    this.#entries.delete(ref);
    return entry;
  }
}
