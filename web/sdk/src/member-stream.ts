/** One stream of a link as the application holds it: the two halves of WHATWG Streams, in step with the other side. */

import type { SheetbendError } from "./errors.js";
import { bytesOf } from "./member-data.js";

/** What a stream asks of its link: nothing any more once it was `stopped` and has `failed`. */
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

export type StreamEnds = ReturnType<typeof createStreamEnds>;

export function createStreamEnds(label: string, port: StreamPort) {
  /** Arrived and not read: as much as the link gives credit for. */
  const chunks: Chunk[] = [];
  let reader: ReadableStreamDefaultController<Chunk>;
  let writer: WritableStreamDefaultController;
  let isEnded = false;
  /** Somebody waits for the next chunk. */
  let wanted: (() => void) | null = null;
  /** A writer waits for place. */
  let waiting: (() => void) | null = null;

  const readable = new ReadableStream<Chunk>(
    {
      start(controller) {
        reader = controller;
      },
      pull: () =>
        new Promise((resolve) => {
          wanted = resolve;
          deliver();
        }),
      cancel: port.stop,
    },
    { highWaterMark: 0 }, // What waits here should count as not read.
  );

  const writable = new WritableStream<ArrayBuffer | ArrayBufferView>({
    start(controller) {
      writer = controller;
    },
    async write(data) {
      const hasPlace = new Promise<void>((resolve) => {
        waiting = resolve;
      });
      if (!port.write(bytesOf(data))) await hasPlace; // Which may have come within the call.
      waiting = null;
    },
    close: port.finish,
    abort: port.reset,
  });

  /** Hands on what came, if it is wanted; nobody has to ask to hear that there is no more. */
  function deliver(): void {
    const chunk = wanted && chunks.shift();
    if (chunk) {
      reader.enqueue(chunk);
      port.consume(chunk.length);
    } else if (isEnded && chunks.length === 0) {
      try {
        reader.close();
      } catch {
        // It was cancelled.
      }
    } else {
      return;
    }
    wanted?.();
    wanted = null;
  }

  /** There is place for more. */
  function drained(): void {
    waiting?.();
    waiting = null;
  }

  return {
    label,
    readable,
    writable,
    /** The next bytes came. */
    take(data: Chunk): void {
      chunks.push(data);
      deliver();
    },
    /** All has come. */
    end(): void {
      isEnded = true;
      deliver();
    },
    drained,
    /** The other side reads no more. */
    stopped(error: SheetbendError): void {
      writer.error(error);
      drained();
    },
    /** Nothing more will come. */
    failed(error: SheetbendError): void {
      reader.error(error);
      wanted?.();
    },
  };
}
