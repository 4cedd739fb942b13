/**
 * What waits to be sent on a link, and in which order it goes: small things first, streams in turn.
 *
 * A record gets its place in the link's sequence only when it is sent, so that a message needn't wait for a long stream
 * that was written before it.
 */

import { join } from "../bytes.js";
import { RecordKind, varint } from "./frames.js";

/** What a message takes besides its data, at most. */
export const MESSAGE_OVERHEAD_BYTES = 256;
/** Of a record: with all headers it is below 16 KiB, which every data channel takes (RFC 8831 section 6.6). */
export const BODY_BYTES_MAX = 16_000;
/** From here on a stream's writer should wait. */
export const STREAM_BUFFER_BYTES = 262_144;

/** The sending half of a stream. */
interface Writing {
  readonly chunks: Queue<Uint8Array>;
  buffered: number;
  sent: number;
  /** How much the other side takes in all. */
  allowed: number;
  isFinished: boolean;
}

/** Records that have no place in the sequence yet. What it is given must not be changed while it waits. */
export class Outgoing {
  /** Of messages that wait, each with its overhead. */
  messagesBytes = 0;
  readonly #control: Uint8Array[] = [];
  readonly #messages = new Queue<readonly [data: Uint8Array, isText: boolean]>();
  readonly #writing = new Map<number, Writing>();
  /** Streams that have something to send and may. */
  readonly #turn = new Set<number>();
  readonly #onDrained: (stream: number) => void;

  /** `onDrained` is told of streams whose buffer has place again. */
  constructor(onDrained: (stream: number) => void) {
    this.#onDrained = onDrained;
  }

  /** Those with a sending half. */
  get streams(): Iterable<number> {
    return this.#writing.keys();
  }

  /** Records about streams that wait. */
  get controlCount(): number {
    return this.#control.length;
  }

  /** Queues a record about a stream. */
  put(kind: RecordKind, stream: number, body: ArrayLike<number>): void {
    this.#control.push(join([kind], varint(stream), body));
  }

  putMessage(data: Uint8Array, isText: boolean): void {
    this.#messages.push([data, isText]);
    this.messagesBytes += data.length + MESSAGE_OVERHEAD_BYTES;
  }

  /** Makes the sending half of a stream. */
  open(stream: number, allowed: number): void {
    this.#writing.set(stream, { chunks: new Queue(), buffered: 0, sent: 0, allowed, isFinished: false });
  }

  /** Queues bytes of a stream, if it can be written to. Returns whether there is place for more. */
  write(stream: number, data: Uint8Array): boolean {
    const writing = this.#writing.get(stream);
    if (!writing || writing.isFinished || !data.length) return true;
    writing.chunks.push(data);
    writing.buffered += data.length;
    this.#giveTurn(stream, writing);
    return writing.buffered < STREAM_BUFFER_BYTES;
  }

  /** Ends a stream behind what was written. */
  finish(stream: number): void {
    const writing = this.#writing.get(stream);
    if (!writing) return;
    writing.isFinished = true;
    this.#giveTurn(stream, writing);
  }

  /** Forgets what waits of a stream, and its sending half. Returns whether there was one. */
  drop(stream: number): boolean {
    return this.#writing.delete(stream);
  }

  /** The other side takes so many bytes of a stream in all. */
  allow(stream: number, allowed: number): void {
    const writing = this.#writing.get(stream);
    if (!writing) return;
    writing.allowed = Math.max(writing.allowed, allowed);
    this.#giveTurn(stream, writing);
  }

  /** Takes what goes next, if anything may: a kind and its body. */
  next(): Uint8Array | undefined {
    return this.#control.shift() ?? this.#nextOfMessages() ?? this.#nextOfStreams();
  }

  #nextOfMessages(): Uint8Array | undefined {
    const message = this.#messages.shift();
    if (!message) return;
    const [data, isText] = message;
    const piece = data.subarray(0, BODY_BYTES_MAX);
    const isLast = piece.length === data.length;
    if (isLast) this.messagesBytes -= MESSAGE_OVERHEAD_BYTES;
    else this.#messages.putBack([data.subarray(BODY_BYTES_MAX), isText]);
    this.messagesBytes -= piece.length;
    return join([(isText ? RecordKind.Text : RecordKind.Binary) + Number(isLast)], piece);
  }

  #nextOfStreams(): Uint8Array | undefined {
    for (const stream of this.#turn) {
      this.#turn.delete(stream);
      const writing = this.#writing.get(stream);
      if (writing) return this.#nextOfStream(stream, writing);
    }
    return;
  }

  #nextOfStream(stream: number, writing: Writing): Uint8Array {
    const { buffered } = writing;
    if (!buffered) {
      this.drop(stream);
      return join([RecordKind.StreamEnd], varint(stream));
    }
    const size = Math.min(BODY_BYTES_MAX, writing.allowed - writing.sent, buffered);
    const record = join([RecordKind.StreamData], varint(stream), ...takeBytes(writing.chunks, size));
    writing.sent += size;
    writing.buffered -= size;
    if (buffered >= STREAM_BUFFER_BYTES && writing.buffered < STREAM_BUFFER_BYTES) this.#onDrained(stream);
    this.#giveTurn(stream, writing);
    return record;
  }

  #giveTurn(stream: number, { buffered, isFinished, sent, allowed }: Writing): void {
    if (buffered ? sent < allowed : isFinished) this.#turn.add(stream);
  }
}

function takeBytes(chunks: Queue<Uint8Array>, size: number): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let left = size;
  while (left > 0) {
    const chunk = chunks.shift();
    if (!chunk) break;
    if (chunk.length > left) chunks.putBack(chunk.subarray(left));
    pieces.push(chunk.subarray(0, left));
    left -= chunk.length;
  }
  return pieces;
}

/** First in, first out. An array's own `shift` moves all the others once there are tens of thousands. */
class Queue<T> {
  #in: T[] = [];
  /** Backwards. */
  #out: T[] = [];

  push(item: T): void {
    this.#in.push(item);
  }

  shift(): T | undefined {
    if (!this.#out.length) [this.#in, this.#out] = [this.#out, this.#in.reverse()];
    return this.#out.pop();
  }

  /** Returns what was taken last to its place. */
  putBack(item: T): void {
    this.#out.push(item);
  }
}
