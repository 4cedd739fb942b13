/**
 * What waits to be sent on a link, and in which order it goes: small things first, streams in turn.
 *
 * A record gets its place in the link's sequence only when it is sent, so that a message needn't wait for a long stream
 * that was written before it.
 */

import { join } from "../bytes.js";
import { encodeFrame, RecordKind } from "./frames.js";

/** What a message takes besides its data, at most. */
export const MESSAGE_OVERHEAD_BYTES = 256;
/** Of a record, so that what waits behind it doesn't wait for long (RFC 8831 section 6.6). */
export const BODY_BYTES = 16_000;
/**
 * Of one for a fast path, where the work for each record counts more: with all headers it is below 64 KiB, which every
 * data channel takes (RFC 8841 section 6.1), and the relay too, if it has to be sent again there.
 */
export const BODY_BYTES_MAX = 60_000;
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

/**
 * Records that have no place in the sequence yet. What it is given must not be changed while it waits. `onDrained` is
 * told of streams whose buffer has place again.
 */
export function createOutgoing(onDrained: (stream: number) => void) {
  /** Records about streams. */
  const control: Uint8Array[] = [];
  const messages = new Queue<readonly [data: Uint8Array, isText: boolean]>();
  /** The sending halves of streams. */
  const writings = new Map<number, Writing>();
  /** Streams that have something to send and may. */
  const turn = new Set<number>();
  const outgoing = {
    /** Of messages that wait, each with its overhead. */
    messagesBytes: 0,
    control,
    writings,
    putMessage,
    open,
    write,
    finish,
    allow,
    next,
  };

  function putMessage(data: Uint8Array, isText: boolean): void {
    messages.push([data, isText]);
    outgoing.messagesBytes += data.length + MESSAGE_OVERHEAD_BYTES;
  }

  /** Makes the sending half of a stream. */
  function open(stream: number, allowed: number): void {
    writings.set(stream, { chunks: new Queue(), buffered: 0, sent: 0, allowed, isFinished: false });
  }

  /** Queues bytes of a stream, if it can be written to. Returns whether there is place for more. */
  function write(stream: number, data: Uint8Array): boolean {
    const writing = writings.get(stream);
    if (!writing || writing.isFinished || !data.length) return true;
    writing.chunks.push(data);
    writing.buffered += data.length;
    giveTurn(stream, writing);
    return writing.buffered < STREAM_BUFFER_BYTES;
  }

  /** Ends a stream behind what was written. */
  function finish(stream: number): void {
    const writing = writings.get(stream);
    if (!writing) return;
    writing.isFinished = true;
    giveTurn(stream, writing);
  }

  /** The other side takes so many bytes of a stream in all. */
  function allow(stream: number, allowed: number): void {
    const writing = writings.get(stream);
    if (!writing) return;
    writing.allowed = Math.max(writing.allowed, allowed);
    giveTurn(stream, writing);
  }

  /** Takes what goes next, if anything may: a kind and its body. */
  function next(sizeMax: number): Uint8Array | undefined {
    return control.shift() ?? nextOfMessages(sizeMax) ?? nextOfStreams(sizeMax);
  }

  function nextOfMessages(sizeMax: number): Uint8Array | undefined {
    const message = messages.shift();
    if (!message) return;
    const [data, isText] = message;
    const piece = data.subarray(0, sizeMax);
    const isLast = piece.length === data.length;
    if (isLast) outgoing.messagesBytes -= MESSAGE_OVERHEAD_BYTES;
    else messages.putBack([data.subarray(sizeMax), isText]);
    outgoing.messagesBytes -= piece.length;
    return join([(isText ? RecordKind.Text : RecordKind.Binary) + Number(isLast)], piece);
  }

  function nextOfStreams(sizeMax: number): Uint8Array | undefined {
    for (const stream of turn) {
      turn.delete(stream);
      const writing = writings.get(stream);
      if (writing) return nextOfStream(stream, writing, sizeMax);
    }
    return;
  }

  function nextOfStream(stream: number, writing: Writing, sizeMax: number): Uint8Array {
    const { buffered } = writing;
    if (!buffered) {
      writings.delete(stream);
      return encodeFrame(RecordKind.StreamEnd, [stream]);
    }
    const size = Math.min(sizeMax, writing.allowed - writing.sent, buffered);
    const record = encodeFrame(RecordKind.StreamData, [stream], ...takeBytes(writing.chunks, size));
    writing.sent += size;
    writing.buffered -= size;
    if (buffered >= STREAM_BUFFER_BYTES && writing.buffered < STREAM_BUFFER_BYTES) onDrained(stream);
    giveTurn(stream, writing);
    return record;
  }

  function giveTurn(stream: number, { buffered, isFinished, sent, allowed }: Writing): void {
    if (buffered ? sent < allowed : isFinished) turn.add(stream);
  }

  return outgoing;
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
