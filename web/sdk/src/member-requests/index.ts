/**
 * `sheetbend/requests`: questions between two members, each over one stream of their link and answered once
 * (PROTOCOL.md, "Requests").
 */

import type { Member, MemberStream } from "../api.js";
import { encoder, join } from "../bytes.js";
import { bytesOf, decoder } from "../member-data.js";

/** Of the streams on which requests travel. */
const REQUEST_LABEL = "sheetbend:request";
const DATA_BYTES_MAX = 1 << 20;
const TIMEOUT_MS = 10_000;
const SENTENCE_CHARS_MAX = 1024;
const REASON = /^[a-z][a-z0-9_]{0,63}$/;
const TEXT = 0;
const BINARY = 1;
const REFUSAL = 2;

type Bytes = Uint8Array<ArrayBuffer>;

export type RequestErrorCode =
  /** No reply came in time; whether the member did what was asked can't be known. */
  | "request_timed_out"
  /** The member says that it won't or can't; `reason` is its word for why. */
  | "request_refused"
  /** More than 1 MiB, or neither text nor bytes, or no word for a reason. */
  | "invalid_argument"
  /** The member broke the protocol. */
  | "invalid_reply";

/** A request without a reply. */
export class RequestError extends Error {
  override readonly name = "RequestError";
  readonly code: RequestErrorCode;
  /** Of a refusal, for programs. */
  readonly reason: string | null;

  constructor(code: RequestErrorCode, message: string, reason: string | null = null) {
    super(message);
    this.code = code;
    this.reason = reason;
  }
}

/** What a member asks. Reply to it or refuse it, once. */
export interface Request {
  readonly data: string | Bytes;
  /** Rejects with SheetbendError `stream_stopped` if the member doesn't wait any more. */
  reply(data: string | ArrayBuffer | ArrayBufferView): Promise<void>;
  /** `reason` is for programs, up to 64 of a-z, 0-9 and _; `sentence` for people. Rejects as `reply` does. */
  refuse(reason: string, sentence?: string): Promise<void>;
}

export interface RequestOptions {
  /** Default 10 000. */
  timeoutMs?: number;
  /** Ends the wait. */
  signal?: AbortSignal;
}

/**
 * Asks `member`, with up to 1 MiB of text or bytes, and resolves with its reply.
 *
 * Rejects with `RequestError`, with `signal`'s reason, and as a `MemberStream` does when the member is lost.
 */
export async function request(
  member: Member,
  data: string | ArrayBuffer | ArrayBufferView,
  { timeoutMs = TIMEOUT_MS, signal }: RequestOptions = {},
): Promise<string | Bytes> {
  signal?.throwIfAborted();
  const question = encoded(data);
  const stream = member.stream(REQUEST_LABEL);
  const writer = stream.writable.getWriter();
  const reader = stream.readable.getReader();
  let failure: unknown = null;
  const giveUp = async (cause: unknown) => {
    failure ??= cause;
    await Promise.allSettled([writer.abort(), reader.cancel()]);
  };
  const late = () => giveUp(new RequestError("request_timed_out", `No reply in ${timeoutMs} ms.`));
  const aborted = () => giveUp(signal?.reason);
  const timer = setTimeout(late, timeoutMs);
  signal?.addEventListener("abort", aborted);
  try {
    await writer.write(question);
    await writer.close();
    const answer = await readAll(reader);
    if (failure === null) return replyIn(answer);
  } catch (error) {
    await giveUp(error);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", aborted);
  }
  throw failure;
}

/** Calls back for each request of `member`'s. Returns the function that stops it. */
export function answerRequests(member: Member, callback: (request: Request) => void): () => void {
  return member.on("stream", async (stream) => {
    if (stream.label !== REQUEST_LABEL) return;
    const asked = await readRequest(stream).catch(() => null); // Taken back, or of another protocol.
    if (asked) callback(asked);
  });
}

async function readRequest({ readable, writable }: MemberStream): Promise<Request | null> {
  const writer = writable.getWriter();
  const question = await readAll(readable.getReader());
  const [kind] = question;
  if (kind !== TEXT && kind !== BINARY) {
    await writer.abort();
    return null;
  }
  const answer = async (data: Bytes) => {
    await writer.write(data);
    await writer.close();
  };
  return {
    data: decoded(question),
    reply: async (data) => answer(encoded(data)),
    refuse: async (reason, sentence = "") => {
      if (!REASON.test(reason)) throw invalid("A reason is a word such as not_now.");
      const text = new TextEncoder().encode(JSON.stringify({ reason, sentence }));
      await answer(join([REFUSAL], text));
    },
  };
}

/** All that comes; nothing if it is too much. */
async function readAll(reader: ReadableStreamDefaultReader<Bytes>): Promise<Bytes> {
  const chunks: Bytes[] = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return join(...chunks);
    chunks.push(value);
    size += value.length;
    if (size > DATA_BYTES_MAX + 1) {
      await reader.cancel();
      return new Uint8Array();
    }
  }
}

function replyIn(answer: Bytes): string | Bytes {
  if (answer[0] === TEXT || answer[0] === BINARY) return decoded(answer);
  const { reason, sentence } = refusalIn(answer);
  if (typeof reason !== "string" || typeof sentence !== "string" || !REASON.test(reason))
    throw new RequestError("invalid_reply", "The member doesn't speak the protocol of requests.");
  const words = sentence.slice(0, SENTENCE_CHARS_MAX) || `The member refused: ${reason}.`;
  throw new RequestError("request_refused", words, reason);
}

function refusalIn(answer: Bytes): { reason?: unknown; sentence?: unknown } {
  if (answer[0] !== REFUSAL) return {};
  try {
    return Object(JSON.parse(new TextDecoder().decode(answer.subarray(1))));
  } catch {
    return {};
  }
}

function encoded(data: string | ArrayBuffer | ArrayBufferView): Bytes {
  const isText = typeof data === "string";
  if (!isText && !ArrayBuffer.isView(data) && !(data instanceof ArrayBuffer))
    throw invalid("Text or bytes can be sent.");
  const bytes = isText ? encoder.encode(data) : bytesOf(data);
  if (bytes.length > DATA_BYTES_MAX)
    throw invalid(`Requests and replies have up to ${DATA_BYTES_MAX} bytes.`);
  return join([isText ? TEXT : BINARY], bytes);
}

function decoded(data: Bytes): string | Bytes {
  const body = data.slice(1);
  return data[0] === TEXT ? decoder.decode(body) : body;
}

function invalid(sentence: string): RequestError {
  return new RequestError("invalid_argument", sentence);
}
