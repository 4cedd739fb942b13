/**
 * What stands on the stream of a file: messages of JSON behind their length in four bytes, and bytes as they are.
 *
 *     sender       {id, name, size}                    bytes from `offset` on, SHA-256 of the whole, end
 *     receiver                       {offset}                                             {offset: size}, end
 *                                    {error}, end                                         {error}, end
 */

import type { MemberStream } from "../api.js";
import { broken, type FileErrorCode, inOurWords } from "./errors.js";

/** Of the streams on which files travel. */
export const FILE_LABEL = "sheetbend:file";
export const SHA256_BYTES = 32;
const CONTROL_BYTES_MAX = 4096;

export type Bytes = Uint8Array<ArrayBuffer>;

/** The sender's first message. `id` is the same for each try at the same file: 32 hexadecimal digits. */
export interface Offer {
  id: string;
  name: string;
  size: number;
}

/** The receiver's, twice: where to begin, and that all is there. */
export interface Reply {
  offset?: number;
  error?: string;
}

/** One end of the stream, in the pieces that are wanted. */
export class Transfer {
  readonly #reader: ReadableStreamDefaultReader<Bytes>;
  readonly #writer: WritableStreamDefaultWriter<ArrayBuffer | ArrayBufferView>;
  #left: Bytes = new Uint8Array();
  /** A read that nobody has taken the bytes of yet. */
  #reading: Promise<void> | null = null;

  constructor({ readable, writable }: MemberStream) {
    this.#reader = readable.getReader();
    this.#writer = writable.getWriter();
  }

  async write(data: Bytes): Promise<void> {
    try {
      await this.#writer.write(data);
    } catch (error) {
      throw inOurWords(error);
    }
  }

  async say(message: Offer | Reply): Promise<void> {
    const text = new TextEncoder().encode(JSON.stringify(message));
    const frame = new Uint8Array(4 + text.length);
    new DataView(frame.buffer).setUint32(0, text.length);
    frame.set(text, 4);
    await this.write(frame);
  }

  /** Says why we want no more, and ends both sides. */
  async refuse(error: FileErrorCode): Promise<void> {
    await this.say({ error });
    await this.end();
    await this.#reader.cancel();
  }

  /** Ends our side. */
  async end(): Promise<void> {
    await this.#writer.close();
  }

  /** Gives up both sides. */
  async giveUp(): Promise<void> {
    await Promise.allSettled([this.#writer.abort(), this.#reader.cancel()]);
  }

  /** 1 to `sizeMax` bytes. */
  async some(sizeMax: number): Promise<Bytes> {
    while (this.#left.length === 0) await this.ahead();
    const data = this.#left.subarray(0, sizeMax);
    this.#left = this.#left.subarray(data.length);
    return data;
  }

  /** Settles with the next bytes, which stay for whoever asks for `some`; rejects if none come any more. */
  ahead(): Promise<void> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
    });
    return this.#reading;
  }

  async #read(): Promise<void> {
    try {
      const { done, value } = await this.#reader.read();
      if (done) throw broken();
      this.#left = value;
    } catch (error) {
      throw inOurWords(error);
    }
  }

  async exactly(size: number): Promise<Bytes> {
    const whole = new Uint8Array(size);
    for (let at = 0; at < size; ) {
      const data = await this.some(size - at);
      whole.set(data, at);
      at += data.length;
    }
    return whole;
  }

  /** The fields of the next message; whoever reads them looks at their types. */
  async hear(): Promise<{ [field: string]: unknown }> {
    const head = await this.exactly(4);
    const size = new DataView(head.buffer).getUint32(0);
    if (size > CONTROL_BYTES_MAX) throw broken();
    try {
      const message: unknown = JSON.parse(
        new TextDecoder("utf-8", { fatal: true }).decode(await this.exactly(size)),
      );
      if (typeof message === "object" && message !== null) return { ...message };
    } catch (error) {
      if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error;
    }
    throw broken();
  }
}
