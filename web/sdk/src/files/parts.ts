/** What has come of files: in memory, or in a stream of the application's. */

import { sha256 } from "@noble/hashes/sha2.js";
import { FileError } from "./errors.js";
import type { Bytes } from "./framing.js";

/** Of files that broke off so many are kept in memory, and so many bytes: the oldest go. */
const KEPT_MAX = 16;
const KEPT_BYTES_MAX = 1 << 30;

/** Written in one go: what comes is a sixtieth of it, and each write takes its time. */
const WRITE_BYTES = 1 << 20;

/** Where the bytes of a file go; a `WritableStream` that nobody has locked, for one. */
interface Sink {
  write(data: Bytes): Promise<void>;
  close(): Promise<void>;
  abort(reason: unknown): Promise<void>;
}

/** A file that has come in part; hashes it as it grows. */
export class Part {
  readonly #id: string;
  readonly #sink: Sink;
  readonly #hash = sha256.create();
  #size = 0;
  /** Counted, and not written yet. */
  #waiting: Bytes[] = [];
  #waitingBytes = 0;

  constructor(id: string, sink: Sink) {
    this.#id = id;
    this.#sink = sink;
  }

  get size(): number {
    return this.#size;
  }

  /** SHA-256 of what is there. */
  get digest(): Uint8Array {
    return this.#hash.clone().digest();
  }

  isOf(id: string, size: number): boolean {
    return this.#id === id && this.#size <= size;
  }

  async add(data: Bytes): Promise<void> {
    this.#hash.update(data);
    this.#size += data.length;
    this.#waiting.push(data);
    this.#waitingBytes += data.length;
    if (this.#waitingBytes >= WRITE_BYTES) await this.#write();
  }

  /** All is there, and is what was sent. */
  async finish(): Promise<void> {
    await this.#write();
    await written(this.#sink.close());
  }

  async #write(): Promise<void> {
    const block = new Uint8Array(this.#waitingBytes);
    let at = 0;
    for (const data of this.#waiting) {
      block.set(data, at);
      at += data.length;
    }
    this.#waiting = [];
    this.#waitingBytes = 0;
    await written(this.#sink.write(block));
  }

  async discard(reason: unknown): Promise<void> {
    await this.#sink.abort(reason).catch(() => {}); // It is gone already.
  }
}

async function written(writing: Promise<void>): Promise<void> {
  try {
    await writing;
  } catch (cause) {
    throw new FileError("file_not_written", "The file can't be written here.", { cause });
  }
}

/** The browser moves large blobs to the disk, where it can. */
class Memory implements Sink {
  readonly chunks: Blob[] = [];

  async write(data: Bytes): Promise<void> {
    this.chunks.push(new Blob([data]));
  }

  async close(): Promise<void> {}

  async abort(): Promise<void> {}
}

export interface MemoryPart {
  part: Part;
  chunks: readonly Blob[];
}

const kept = new Map<string, MemoryPart>();

/** What was kept of this file, which one transfer at a time has; or the place for it. */
export function partInMemory(id: string, size: number): MemoryPart {
  const known = kept.get(id);
  kept.delete(id);
  if (known?.part.isOf(id, size)) return known;
  const memory = new Memory();
  return { part: new Part(id, memory), chunks: memory.chunks };
}

/** It broke off, and may be gone on with. */
export function keepInMemory(id: string, memory: MemoryPart): void {
  kept.set(id, memory);
  let bytes = [...kept.values()].reduce((sum, { part }) => sum + part.size, 0);
  for (const [oldest, { part }] of kept) {
    if (kept.size <= KEPT_MAX && bytes <= KEPT_BYTES_MAX) return;
    kept.delete(oldest);
    bytes -= part.size;
  }
}

type Target = WritableStream<Uint8Array<ArrayBuffer>>;

const begun = new WeakMap<Target, Part>();

/** What `target` has of this file already; or the beginning. */
export function partIn(target: Target, id: string, size: number): Part {
  const known = begun.get(target);
  if (known?.isOf(id, size)) return known;
  if (known) throw new TypeError("The stream has the beginning of another file.");
  const part = new Part(id, {
    async write(data) {
      const writer = target.getWriter(); // Locked while it writes only: what broke off is the application's.
      try {
        await writer.write(data);
      } finally {
        writer.releaseLock();
      }
    },
    close: () => target.close(),
    abort: (reason) => target.abort(reason),
  });
  begun.set(target, part);
  return part;
}
