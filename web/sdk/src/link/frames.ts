/**
 * Frames of a link: what travels on a path, as bytes (PROTOCOL.md, "Link frames").
 *
 * A frame begins with its kind; numbers are variable-length integers of QUIC (RFC 9000 section 16), up to 2^53 - 1.
 */

import { join } from "../bytes.js";
import { SheetbendError } from "../errors.js";

export const FrameKind = {
  /** Asks for an acknowledgement on the path it came on. Its number on that path. */
  Ping: 0,
  /**
   * What has arrived: the largest number that came on this path, how many milliseconds ago that was, up to where all
   * records are here, and the runs of those that came before their turn, the first RUNS_MAX of them.
   */
  Ack: 1,
  /** A piece of the reliable sequence: its number on the path, its place in the link (both from 1), kind and body. */
  Record: 2,
  /** A message that may get lost: its place among those, whether it is text, and its body. */
  Lossy: 3,
} as const;

/** What a record is. Messages of more than one record end with the `End` of their form. */
export const RecordKind = {
  Text: 0x10,
  TextEnd: 0x11,
  Binary: 0x12,
  BinaryEnd: 0x13,
  StreamOpen: 0x20,
  StreamData: 0x21,
  StreamEnd: 0x22,
  StreamReset: 0x23,
  StreamStop: 0x24,
  StreamCredit: 0x25,
} as const;

export const RUNS_MAX = 32;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** First and last of some records without a gap. */
export type Run = readonly [first: number, last: number];

/** Writes a frame, or a record: its kind, its numbers, and what follows them. */
export function encodeFrame(
  kind: number,
  numbers: readonly number[],
  ...rest: ArrayLike<number>[]
): Uint8Array<ArrayBuffer> {
  return join([kind], ...numbers.map(varint), ...rest);
}

/** Reads what `encodeFrame` wrote, piece by piece; what can't be read throws SheetbendError `invalid_frame`. */
export class Reader {
  readonly #data: Uint8Array;
  #at = 0;

  constructor(data: Uint8Array) {
    this.#data = data;
  }

  /** A byte of up to `most`. */
  byte(most = 0xff): number {
    const byte = this.#data[this.#at++] ?? Number.POSITIVE_INFINITY;
    check(byte <= most);
    return byte;
  }

  varint(): number {
    const first = this.byte();
    let number = first & 0x3f;
    for (let more = (1 << (first >> 6)) - 1; more > 0; more--) number = number * 256 + this.byte();
    check(number <= Number.MAX_SAFE_INTEGER);
    return number;
  }

  recordKind(): number {
    const kind = this.byte(RecordKind.StreamCredit);
    const isMessage = kind >= RecordKind.Text && kind <= RecordKind.BinaryEnd;
    check(isMessage || kind >= RecordKind.StreamOpen);
    return kind;
  }

  /** Of the whole. */
  get size(): number {
    return this.#data.length;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#data.length;
  }

  /** There must be no more. */
  end(): void {
    check(this.isAtEnd);
  }

  /** The next piece, behind its length of two bytes, or what there is of it. */
  piece(): Uint8Array {
    const [high = 0, low = 0] = this.#data.subarray(this.#at);
    const at = this.#at + 2;
    this.#at = at + high * 256 + low;
    return this.#data.subarray(at, this.#at);
  }

  /** The runs behind `cumulative`, up to the end: each as how many are missing before it, and how many it has. */
  runs(cumulative: number): Run[] {
    const runs: Run[] = [];
    let end = cumulative;
    while (!this.isAtEnd) {
      const missing = this.varint();
      const size = this.varint();
      check(missing > 0 && size > 0 && runs.length < RUNS_MAX);
      runs.push([end + missing + 1, end + missing + size]);
      end += missing + size;
    }
    return runs;
  }

  /** What is left, as text. */
  text(): string {
    try {
      return decoder.decode(this.rest());
    } catch {
      throw protocolError("invalid_frame");
    }
  }

  /** What is left, sharing the memory of the whole. */
  rest(): Uint8Array {
    return this.#data.subarray(this.#at);
  }
}

/** The bytes of a number of up to 2^53 - 1. */
export function varint(number: number): number[] {
  const form = number < 0x40 ? 0 : number < 0x4000 ? 1 : number < 0x40000000 ? 2 : 3;
  let mark = form << 6;
  const bytes: number[] = [];
  for (let left = 1 << form; left--; mark = 0) bytes.push(mark | ((number / 256 ** left) & 0xff));
  return bytes;
}

/** The other side does what it may not; a link that comes to know so is broken. */
export function protocolError(code: string, what = code): SheetbendError {
  return new SheetbendError(code, `The other side broke the protocol: ${what}.`);
}

/** What the other side does is as it must be; else throws a protocolError. */
export function check(isRight: boolean, code = "invalid_frame"): void {
  if (!isRight) throw protocolError(code);
}
