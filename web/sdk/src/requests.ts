/**
 * What was asked of the server and not answered yet, in order.
 *
 * A request is sent when the room is there, and settles when the event it causes comes back, or an error with its ref.
 * As long as the session lives, a lost connection changes nothing: the session sends again what hasn't arrived. When
 * another session begins, the room's history tells what became of the messages that were on their way (`restart`).
 */

import type { Place } from "./api.js";
import { MESSAGE_IDS_MAX } from "./codes.js";
import { SheetbendError } from "./errors.js";
import type { Moderate, Say, SetAccess, Update } from "./messages.js";

export type RequestMessage = Moderate | Say | SetAccess | Update;

/** A message to send, under `ref`. Null while it can't be said yet to whom. Throws a SheetbendError if it can't be sent. */
export type Request = (ref: string) => RequestMessage | null;

/** What is known of a room in which a new session has begun. */
export interface Known {
  /** Whether every message to everyone since the last that was seen is known. */
  complete: boolean;
  /** Where the message with this id stands; null if it isn't known. */
  placeOf(id: string): Place | null;
}

interface Entry {
  build: Request;
  /** What was sent; null before. */
  sent: RequestMessage | null;
  resolve(place: Place): void;
  reject(error: unknown): void;
}

const PENDING_MAX = 256;

/** Of a request that the server says nothing to unless it refuses: done when it is on its way. */
const NOWHERE: Place = { offset: 0, epoch: "" };

export class Requests {
  readonly #entries = new Map<string, Entry>();
  readonly #transmit: (message: RequestMessage) => void;
  readonly #isReady: () => boolean;
  readonly #nextRef: () => string;

  /**
   * @param isReady whether the room is there
   * @param transmit sends a message then, or throws a SheetbendError
   * @param nextRef makes refs that nobody else has or can guess: everybody sees the refs of some events, and a message
   *   has its ref as id
   */
  constructor(isReady: () => boolean, transmit: (message: RequestMessage) => void, nextRef: () => string) {
    this.#isReady = isReady;
    this.#transmit = transmit;
    this.#nextRef = nextRef;
  }

  /** Resolves with the place of the event that the request caused. */
  add(build: Request): Promise<Place> {
    return new Promise((resolve, reject) => {
      if (this.#entries.size >= PENDING_MAX) {
        throw new SheetbendError("too_many_pending", `${PENDING_MAX} requests wait for the server already.`);
      }
      this.#entries.set(this.#nextRef(), { build, sent: null, resolve, reject });
      this.flush();
    });
  }

  /**
   * Sends what waits, in order; stops at a request that can't be sent yet, and when as many messages are on their way
   * as the server remembers ids of: one more, and a repeat of the first would be taken for another message.
   */
  flush(): void {
    if (!this.#isReady()) return;
    let onTheirWay = [...this.#entries.values()].filter(isMessage).length;
    for (const [ref, entry] of this.#entries) {
      if (entry.sent) continue;
      if (onTheirWay >= MESSAGE_IDS_MAX || !this.#send(ref, entry)) return;
      if (isMessage(entry)) onTheirWay++;
    }
  }

  /** An answer came; without a known ref it is not one of ours. */
  resolve(ref: string | undefined, place: Place): void {
    this.#take(ref)?.resolve(place);
    this.flush();
  }

  /** Returns whether anything waited for this answer. */
  reject(ref: string | undefined, error: SheetbendError): boolean {
    const entry = this.#take(ref);
    entry?.reject(error);
    this.flush();
    return entry !== undefined;
  }

  /**
   * Another session has begun. A message that was on its way is accepted if the history has it, waits to be sent again
   * if it can't have been accepted, and else nobody knows. All other requests can be repeated.
   */
  restart({ complete, placeOf }: Known): void {
    let isBeforeAccepted = false;
    for (const [ref, entry] of [...this.#entries].reverse()) {
      const message = entry.sent;
      entry.sent = null;
      if (message?.type !== "message") continue;
      const place = placeOf(message.id);
      // Before one that was accepted stands only what was refused: it must not come after it now.
      if (place) this.#take(ref)?.resolve(place);
      else if (!complete || message.to || isBeforeAccepted) this.#take(ref)?.reject(deliveryUnknown());
      isBeforeAccepted ||= place !== null;
    }
  }

  /** Nothing will be sent any more. */
  close(error: SheetbendError): void {
    for (const ref of [...this.#entries.keys()]) this.#take(ref)?.reject(error);
  }

  #send(ref: string, entry: Entry): boolean {
    try {
      const message = entry.build(ref);
      if (!message) return false;
      this.#transmit(message);
      entry.sent = message;
      if (message.type === "mute" && message.messages === undefined) this.#take(ref)?.resolve(NOWHERE);
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

function isMessage({ sent }: Entry): boolean {
  return sent?.type === "message";
}

function deliveryUnknown(): SheetbendError {
  return new SheetbendError(
    "delivery_unknown",
    "The session was lost before the answer came: nobody knows whether this was delivered.",
  );
}
