/** What a link wants done: the caller does every effect, in order. */

export type PathName = "relay" | "direct";

export type LinkEffect =
  /**
   * Send this on the path. `lossy` may be lost or late, and had better not wait for what was lost before it. The frame
   * is the caller's own.
   */
  | { effect: "transmit"; path: PathName; frame: Uint8Array<ArrayBuffer>; lossy: boolean }
  /** A message of the other side. Text is what it says, and may still be no UTF-8. */
  | { effect: "delivered"; data: Uint8Array; isText: boolean; reliable: boolean }
  /** The other side has this message, numbered from 1 in the order of `send`, and all before it. */
  | { effect: "acknowledged"; message: number }
  /** What is sent goes another way from now on; null if there is none. */
  | { effect: "path"; path: PathName | null }
  /** The other side opened a stream. */
  | { effect: "stream-opened"; stream: number; label: string }
  /** The next bytes of a stream. `consume` them, or the other side stops sending. */
  | { effect: "stream-data"; stream: number; data: Uint8Array }
  /** The other side has written all it had to. */
  | { effect: "stream-ended"; stream: number }
  /** The other side gave up writing. */
  | { effect: "stream-reset"; stream: number; reason: number }
  /** The other side wants no more: what waited to be sent is dropped. */
  | { effect: "stream-stopped"; stream: number; reason: number }
  /** There is place for more to write. */
  | { effect: "stream-drained"; stream: number }
  /** The other side broke the protocol: the link is over. */
  | { effect: "broken"; code: string };
