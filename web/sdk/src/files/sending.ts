/** A file to one member. */

import { sha256 } from "@noble/hashes/sha2.js";
import type { Member } from "../api.js";
import { toHex } from "../bytes.js";
import { broken, FileError } from "./errors.js";
import { type Bytes, FILE_LABEL, Transfer } from "./framing.js";

/** Read and hashed in one go. */
const CHUNK_BYTES = 1 << 18;
const ID_BYTES = 16;

export interface SendOptions {
  /** Told the bytes that are on their way or there, and those of the whole; first when the member has accepted. */
  onProgress?: (sent: number, size: number) => void;
  /** Takes the offer back, or ends the transfer. */
  signal?: AbortSignal;
}

/**
 * Sends a file to a member, who may decline it; what it has already of this file isn't sent again.
 *
 * Resolves when the member has all of it, verified. Rejects with `FileError`, as `Member.stream` does when the member is
 * lost (send it again then, and it goes on where it broke off), and with `signal`'s reason.
 */
export async function sendFile(
  member: Member,
  file: File,
  { onProgress, signal }: SendOptions = {},
): Promise<void> {
  signal?.throwIfAborted();
  const transfer = new Transfer(member.stream(FILE_LABEL));
  const stop = () => void transfer.giveUp();
  signal?.addEventListener("abort", stop);
  try {
    await transfer.say({ id: idOf(file), name: file.name, size: file.size });
    const offset = await answerTo(transfer, file);
    onProgress?.(offset, file.size);
    const verdict = answerTo(transfer, file);
    verdict.catch(() => {}); // It is asked for below.
    await sendAll(transfer, file, offset, onProgress).catch(async (error) => {
      // Whoever wants no more may have said why.
      if (error instanceof FileError && error.code === "file_cancelled") await verdict;
      throw error;
    });
    if ((await verdict) !== file.size) throw broken();
  } catch (error) {
    await transfer.giveUp();
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

async function sendAll(
  transfer: Transfer,
  file: File,
  offset: number,
  onProgress: SendOptions["onProgress"],
): Promise<void> {
  const hash = sha256.create();
  for (let at = 0; at < file.size; at += CHUNK_BYTES) {
    const chunk = await read(file, at);
    hash.update(chunk);
    const end = at + chunk.length;
    if (end <= offset) continue;
    await transfer.write(chunk.subarray(Math.max(0, offset - at)));
    onProgress?.(end, file.size);
  }
  await transfer.write(new Uint8Array(hash.digest()));
  await transfer.end();
}

async function read(file: File, at: number): Promise<Bytes> {
  const end = Math.min(at + CHUNK_BYTES, file.size);
  try {
    const chunk = new Uint8Array(await file.slice(at, end).arrayBuffer());
    if (chunk.length === end - at) return chunk;
  } catch (cause) {
    throw notRead(file, { cause });
  }
  throw notRead(file);
}

function notRead(file: File, options?: ErrorOptions): FileError {
  return new FileError("file_not_read", `${file.name} changed, or can't be read any more.`, options);
}

async function answerTo(transfer: Transfer, file: File): Promise<number> {
  const { offset, error } = await transfer.hear();
  if (error === "file_declined") throw new FileError(error, "The other side doesn't want the file.");
  if (error === "file_corrupt") throw new FileError(error, "The file arrived altered: send it again.");
  if (error === "file_not_written") throw new FileError(error, "The other side couldn't keep the file.");
  if (typeof offset === "number" && Number.isInteger(offset) && offset >= 0 && offset <= file.size)
    return offset;
  throw broken();
}

/** The same file, unchanged, is known again. */
function idOf({ name, size, lastModified }: File): string {
  const identity = new TextEncoder().encode(JSON.stringify([name, size, lastModified]));
  return toHex(new Uint8Array(sha256(identity).subarray(0, ID_BYTES)));
}
