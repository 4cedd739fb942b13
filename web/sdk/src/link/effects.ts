/** What a link wants done: the caller does every effect, in order. */

export type PathName = "relay" | "direct";

interface Effects {
  /**
   * Send this on the path. `lossy` may be lost or late, and had better not wait for what was lost before it. The frame
   * is the caller's own.
   */
  transmit: { path: PathName; frame: Uint8Array<ArrayBuffer>; lossy: boolean };
  /** A message of the other side. Text is what it says, and may still be no UTF-8. */
  delivered: { data: Uint8Array; isText: boolean; reliable: boolean };
  /** The other side has this message, numbered from 1 in the order of `send`, and all before it. */
  acknowledged: { message: number };
  /** What is sent goes another way from now on; null if there is none. */
  path: { path: PathName | null };
  /** The other side opened a stream. */
  "stream-opened": { stream: number; label: string };
  /** The next bytes of a stream. `consume` them, or the other side stops sending. */
  "stream-data": { stream: number; data: Uint8Array };
  /** The other side has written all it had to. */
  "stream-ended": { stream: number };
  /** The other side gave up writing. */
  "stream-reset": { stream: number; reason: number };
  /** The other side wants no more: what waited to be sent is dropped. */
  "stream-stopped": { stream: number; reason: number };
  /** There is place for more to write. */
  "stream-drained": { stream: number };
  /** The other side broke the protocol: the link is over. */
  broken: { code: string };
}

export type EffectKind = keyof Effects;

export type LinkEffect<Kind extends EffectKind = EffectKind> = {
  [Each in Kind]: { effect: Each } & Effects[Each];
}[Kind];

/** What does each effect. */
export type Performers = { [Kind in EffectKind]: (effect: LinkEffect<Kind>) => void };
