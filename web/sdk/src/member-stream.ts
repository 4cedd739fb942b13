/** One stream of a link as the application holds it: the two halves of WHATWG Streams, in step with the other side. */

import type { MemberStream } from "./api.js";
import { SheetbendError } from "./errors.js";
import { bytesOf } from "./member-data.js";

/** What a stream asks of its link. */
export interface StreamPort {
  /** Returns whether there is place for more. */
  write(data: Uint8Array): boolean;
  finish(): void;
  reset(): void;
  stop(): void;
  /** So many bytes were read. */
  consume(size: number): void;
}

type Chunk = Uint8Array<ArrayBuffer>;

export class StreamEnds implements MemberStream {
  readonly label: string;
  readonly readable: ReadableStream<Chunk>;
  readonly writable: WritableStream<ArrayBuffer | ArrayBufferView>;
  readonly #port: StreamPort;
  /** Arrived and not read: as much as the link gives credit for. */
  readonly #chunks: Chunk[] = [];
  #reader!: ReadableStreamDefaultController<Chunk>;
  #writer!: WritableStreamDefaultController;
  #isEnded = false;
  /** Somebody waits for the next chunk. */
  #wanted: (() => void) | null = null;
  /** A writer waits for place. */
  #waiting: (() => void) | null = null;

  constructor(label: string, port: StreamPort) {
    this.label = label;
    this.#port = port;
    this.readable = new ReadableStream<Chunk>(
      {
        start: (controller) => {
          this.#reader = controller;
        },
        pull: () => this.#pull(),
        cancel: () => this.#port.stop(),
      },
      { highWaterMark: 0 }, // What waits here should count as not read.
    );
    this.writable = new WritableStream({
      start: (controller) => {
        this.#writer = controller;
      },
      write: (data) => this.#write(data),
      close: () => this.#port.finish(),
      abort: () => this.#port.reset(),
    });
  }

  /** The next bytes came. */
  take(data: Chunk): void {
    this.#chunks.push(data);
    this.#deliver();
  }

  /** All has come. */
  end(): void {
    this.#isEnded = true;
    this.#deliver();
  }

  /** There is place for more. */
  drained(): void {
    this.#waiting?.();
    this.#waiting = null;
  }

  /** The other side reads no more. */
  stopped(error: SheetbendError): void {
    this.#writer.error(error);
    this.drained();
  }

  /** Nothing more will come. */
  failed(error: SheetbendError): void {
    this.#reader.error(error);
    this.#wanted?.();
  }

  #pull(): Promise<void> {
    return new Promise((resolve) => {
      this.#wanted = resolve;
      this.#deliver();
    });
  }

  #deliver(): void {
    if (!this.#wanted) {
      // Nobody has to ask to hear that there is no more.
      if (this.#isEnded && this.#chunks.length === 0) this.#close();
      return;
    }
    const chunk = this.#chunks.shift();
    if (chunk) {
      this.#reader.enqueue(chunk);
      this.#port.consume(chunk.length);
    } else if (this.#isEnded) {
      this.#close();
    } else {
      return;
    }
    this.#wanted();
    this.#wanted = null;
  }

  #close(): void {
    try {
      this.#reader.close();
    } catch {
      // It was cancelled.
    }
  }

  async #write(data: unknown): Promise<void> {
    const bytes = bytesOf(data);
    if (!bytes)
      throw new SheetbendError("invalid_argument", "A stream takes ArrayBuffers and views of them.");
    const hasPlace = new Promise<void>((resolve) => {
      this.#waiting = resolve;
    });
    if (!this.#port.write(bytes)) await hasPlace; // Which may have come within the call.
    this.#waiting = null;
  }
}
