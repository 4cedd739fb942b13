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
export const NOWHERE: Place = { offset: 0, epoch: "" };

export type Requests = ReturnType<typeof createRequests>;

/**
 * @param isReady whether the room is there
 * @param transmit sends a message then, or throws a SheetbendError
 * @param nextRef makes refs that nobody else has or can guess: everybody sees the refs of some events, and a message
 *   has its ref as id
 */
export function createRequests(
  isReady: () => boolean,
  transmit: (message: RequestMessage) => void,
  nextRef: () => string,
) {
  const entries = new Map<string, Entry>();

  /**
   * Sends what waits, in order; stops at a request that can't be sent yet, and when as many messages are on their way
   * as the server remembers ids of: one more, and a repeat of the first would be taken for another message.
   */
  function flush(): void {
    if (!isReady()) return;
    let onTheirWay = 0; // What was sent stands in front of what waits.
    for (const [ref, entry] of entries) {
      if (!entry.sent && (onTheirWay >= MESSAGE_IDS_MAX || !send(ref, entry))) return;
      if (entry.sent?.type === "message") onTheirWay++;
    }
  }

  /** Returns false if it can't be sent yet. */
  function send(ref: string, entry: Entry): boolean {
    try {
      const message = entry.build(ref);
      if (!message) return false;
      transmit(message);
      entry.sent = message;
      if (message.type === "mute" && message.messages === undefined) take(ref)?.resolve(NOWHERE);
    } catch (error) {
      take(ref)?.reject(error);
    }
    return true;
  }

  function take(ref = ""): Entry | undefined {
    const entry = entries.get(ref);
    entries.delete(ref);
    return entry;
  }

  return {
    flush,

    /** Resolves with the place of the event that the request caused. */
    add: (build: Request) =>
      new Promise<Place>((resolve, reject) => {
        if (entries.size >= PENDING_MAX) throw new SheetbendError("too_many_pending");
        entries.set(nextRef(), { build, sent: null, resolve, reject });
        flush();
      }),

    /** An answer came; without a known ref it is not one of ours. */
    resolve(ref: string | undefined, place: Place): void {
      take(ref)?.resolve(place);
      flush();
    },

    /** Returns whether anything waited for this answer. */
    reject(ref: string | undefined, error: SheetbendError): boolean {
      const entry = take(ref);
      entry?.reject(error);
      flush();
      return entry !== undefined;
    },

    /**
     * Another session has begun. A message that was on its way is accepted if the history has it, waits to be sent
     * again if it can't have been accepted, and else nobody knows. All other requests can be repeated.
     */
    restart({ complete, placeOf }: Known): void {
      let isBeforeAccepted = false;
      for (const [ref, entry] of [...entries].reverse()) {
        const message = entry.sent;
        entry.sent = null;
        if (message?.type !== "message") continue;
        const place = placeOf(message.id);
        // Before one that was accepted stands only what was refused: it must not come after it now.
        if (place) take(ref)?.resolve(place);
        else if (!complete || message.to || isBeforeAccepted)
          take(ref)?.reject(new SheetbendError("delivery_unknown"));
        isBeforeAccepted ||= place !== null;
      }
    },

    /** Nothing will be sent any more. */
    close(error: SheetbendError): void {
      for (const { reject } of entries.values()) reject(error);
      entries.clear();
    },
  };
}
