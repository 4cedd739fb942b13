/** Files from members: offers, and what becomes of those that are accepted. */

import type { Member, MemberStream } from "../api.js";
import { broken, FileError } from "./errors.js";
import { FILE_LABEL, SHA256_BYTES, Transfer } from "./framing.js";
import { safeName } from "./names.js";
import { keepInMemory, type Part, partIn, partInMemory } from "./parts.js";

const CHUNK_BYTES = 1 << 18;

export interface AcceptOptions {
  /** Told the bytes that have come, and those of the whole. */
  onProgress?: (received: number, size: number) => void;
  /** Ends the transfer; what has come is thrown away. */
  signal?: AbortSignal;
}

/** A file that a member wants to send: accept or decline it. */
export interface FileOffer {
  /** The sender's: the same for each try at the same file. */
  readonly id: string;
  /** Without folders or anything that isn't seen. */
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  /** Resolves when the sender takes the offer back, or is lost, before it is answered. Never rejects. */
  readonly withdrawn: Promise<void>;
  /**
   * Resolves with the whole file, verified. Rejects with `FileError`, as a `MemberStream` does when the member is lost,
   * and with `signal`'s reason. Where the transfer broke off, what has come is kept in memory, 16 files and 1 GiB at
   * most, and used when the same file is offered again.
   */
  accept(options?: AcceptOptions): Promise<File>;
  /**
   * Writes the file to `target` as it comes; closes it, and resolves, when all is there and verified. Where the transfer
   * broke off, `target` stays open: with it, and the next offer of the same file, it goes on. Whatever else goes wrong
   * aborts `target`. Rejects as `accept` does, and with `TypeError` if `target` has the beginning of another file.
   */
  acceptInto(target: WritableStream<Uint8Array<ArrayBuffer>>, options?: AcceptOptions): Promise<void>;
  decline(): Promise<void>;
}

/** Calls back for each file that `member` offers. Returns the function that stops it. */
export function receiveFiles(member: Member, callback: (offer: FileOffer) => void): () => void {
  return member.on("stream", async (stream) => {
    if (stream.label !== FILE_LABEL) return;
    const offer = await readOffer(stream).catch(() => null); // A sender of another protocol, or gone already.
    if (offer) callback(offer);
  });
}

/** The offer on a stream with `FILE_LABEL`. Rejects with `FileError` and as the stream does; then it is given up. */
export async function readOffer(stream: MemberStream): Promise<FileOffer> {
  const transfer = new Transfer(stream);
  try {
    const { id, name, size } = await transfer.hear();
    const isOffer = typeof id === "string" && /^[0-9a-f]{32}$/.test(id) && typeof name === "string";
    if (!isOffer || typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) throw broken();
    return new Offer(transfer, id, safeName(name), size);
  } catch (error) {
    await transfer.giveUp();
    throw error;
  }
}

class Offer implements FileOffer {
  readonly id: string;
  readonly name: string;
  readonly size: number;
  readonly withdrawn: Promise<void>;
  readonly #transfer: Transfer;
  #isAnswered = false;

  constructor(transfer: Transfer, id: string, name: string, size: number) {
    this.#transfer = transfer;
    this.id = id;
    this.name = name;
    this.size = size;
    this.withdrawn = new Promise((resolve) => {
      // Nothing comes before the answer but the end.
      transfer.ahead().catch(() => this.#isAnswered || resolve());
    });
  }

  async accept(options: AcceptOptions = {}): Promise<File> {
    const memory = partInMemory(this.id, this.size);
    try {
      await this.#receive(memory.part, options);
    } catch (error) {
      if (isWorthKeeping(error, options)) keepInMemory(this.id, memory);
      throw error;
    }
    return new File([...memory.chunks], this.name);
  }

  async acceptInto(
    target: WritableStream<Uint8Array<ArrayBuffer>>,
    options: AcceptOptions = {},
  ): Promise<void> {
    const part = partIn(target, this.id, this.size);
    try {
      await this.#receive(part, options);
    } catch (error) {
      if (!isWorthKeeping(error, options)) await part.discard(error);
      throw error;
    }
  }

  async decline(): Promise<void> {
    this.#isAnswered = true;
    await this.#transfer.refuse("file_declined");
  }

  async #receive(part: Part, { onProgress, signal }: AcceptOptions): Promise<void> {
    const transfer = this.#transfer;
    const stop = () => void transfer.giveUp();
    this.#isAnswered = true;
    signal?.addEventListener("abort", stop);
    try {
      signal?.throwIfAborted();
      await transfer.say({ offset: part.size });
      onProgress?.(part.size, this.size);
      while (part.size < this.size) {
        await part.add(await transfer.some(Math.min(this.size - part.size, CHUNK_BYTES)));
        onProgress?.(part.size, this.size);
      }
      await this.#verify(part);
      await part.finish();
      await transfer.say({ offset: this.size });
      await transfer.end();
    } catch (error) {
      if (!signal?.aborted && isOurs(error)) await transfer.refuse(error.code).catch(() => {});
      await transfer.giveUp();
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }

  async #verify({ digest }: Part): Promise<void> {
    const expected = await this.#transfer.exactly(SHA256_BYTES);
    if (digest.every((byte, index) => byte === expected[index])) return;
    const words = `What came of ${this.name} isn't what was sent: it is to be sent again.`;
    throw new FileError("file_corrupt", words);
  }
}

/** The sender doesn't know of it yet. */
function isOurs(error: unknown): error is FileError {
  return error instanceof FileError && (error.code === "file_corrupt" || error.code === "file_not_written");
}

function isWorthKeeping(error: unknown, { signal }: AcceptOptions): boolean {
  return !signal?.aborted && !isOurs(error);
}
