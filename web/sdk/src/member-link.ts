/**
 * The link with one member, on real paths and real time: does its effects, and is what the application sends by.
 *
 * A link outlives sessions and peer connections, so the two ends must agree on whether they go on or begin anew. Each
 * end has a random *incarnation*, and each path begins with a greeting: `own incarnation, the other's as far as known`.
 * Frames on a path are taken once a greeting has shown that the other end knows ours, or is new and knows none:
 *
 *     their incarnation     they know of us      then
 *     the one we know       ours, or none        the path is open
 *     another, or the first ours, or none        the path is open; if we knew another, ours begins anew before that
 *     any                   an old one of ours   we greet, so that they begin anew
 *
 * Leaves to others: paths (`sealed-channel`, `pair`), who the member is (`mesh`), the protocol itself (`link/`).
 */

import type { MemberStream, Rates } from "./api.js";
import { encoder, fromHex, join, randomBytes, toHex } from "./bytes.js";
import type { Environment } from "./environment.js";
import { SheetbendError } from "./errors.js";
import type { EffectKind, LinkEffect, PathName, Performers } from "./link/effects.js";
import { protocolError, Reader } from "./link/frames.js";
import { createLink } from "./link/link.js";
import { NEVER } from "./link/path.js";
import { bytesOf, decoder } from "./member-data.js";
import { createStreamEnds, type StreamEnds } from "./member-stream.js";
import type { WordsStream } from "./sealing.js";

type Bytes = Uint8Array<ArrayBuffer>;

/** What a link asks of its member. */
export interface MemberLinkPort {
  /** Sends a frame on a path that is up. */
  transmit(path: PathName, frame: Bytes, lossy: boolean): void;
  /** Whether the path takes more at once. */
  isReady(path: PathName): boolean;
  message(data: string | Bytes, how: { reliable: boolean }): void;
  /** Returns whether anybody wants it. */
  stream(stream: MemberStream): boolean;
  /** What is sent goes another way now. */
  moved(path: PathName | null): void;
  /** Whether a path that is up should have answered by now, and didn't. Told again and again. */
  silent(path: PathName, isSilent: boolean): void;
  words(words: readonly number[]): void;
}

/** First bytes of what isn't a link frame; theirs are smaller. A greeting wants an answer, which looks like it. */
const GREETING = 0x10;
const ANSWER = 0x12;
/** Several link frames, each behind its length in two bytes: what is sent in one breath costs little more than one of it. */
const BUNDLE = 0x11;
const BUNDLE_BYTES_MAX = 16_000;
/** A longer one is no frame that the link knows. */
const BUNDLE_BYTES_RECEIVED_MAX = 16_064;
const PATHS = ["relay", "direct"] as const;
const INCARNATION_BYTES = 8;
const NONE = "0000000000000000";
/** How often a path that takes no more is asked again. Data channels say so themselves. */
const READY_AFTER_MS = 8;
/** A path on which frames come that can't be taken is greeted again, at most so often. */
const GREET_AGAIN_MS = 500;
/** What is due so soon is done at once where timers come late: acknowledgements that wait are taken for silence. */
const EARLY_S = 0.012;
/** The stream on which the first member begins the exchange of safety words. Applications can't open it. */
const WORDS_LABEL = "sheetbend:words";
/** Rates are averages that forget like this: of a second, so that they are bytes a second. */
const RATE_MS = 1000;

interface Sent {
  resolve(): void;
  reject(error: SheetbendError): void;
}

export type MemberLink = ReturnType<typeof createMemberLink>;

/** @param words exchanges safety words on a stream; undefined where nothing is agreed yet */
export function createMemberLink(
  environment: Environment,
  isFirst: boolean,
  words: (stream: WordsStream) => Promise<number[]> | undefined,
  port: MemberLinkPort,
) {
  let link = createLink({ isFirst });
  let own = incarnation();
  let other = NONE;
  const ups = new Set<PathName>();
  /** Those whose frames are taken. */
  const open = new Set<PathName>();
  const greetedAt = { relay: 0, direct: 0 };
  /** No earlier than any time that the link was told of. */
  let clockS = 0;
  const due: LinkEffect[] = [];
  /** Frames that go out together, once the caller is done. */
  const bundles: Record<PathName, Bytes[]> = { relay: [], direct: [] };
  let bundledBytes = 0;
  let isBusy = false;
  /** Why it is over. */
  let end: SheetbendError | null = null;
  let timer = 0;
  let timerAt = NEVER;
  let readyTimer = 0;
  /** Messages on their way, and how many were acknowledged before. */
  const sent: Sent[] = [];
  let acknowledged = 0;
  const streams = new Map<number, StreamEnds>();
  const outgoing = createRate(environment);
  const incoming = createRate(environment);

  const performers: Performers = {
    transmit({ path, frame, lossy }) {
      outgoing(frame.length);
      if (lossy) {
        port.transmit(path, frame, true);
        return;
      }
      if (bundledBytes === 0) queueMicrotask(sendBundles);
      if (bundledBytes + frame.length > BUNDLE_BYTES_MAX) sendBundles();
      bundles[path].push(frame);
      bundledBytes += frame.length + 2;
    },
    // The bytes are a copy: they came amid a frame.
    delivered: ({ data, isText, reliable }) =>
      port.message(isText ? decoder.decode(data) : data.slice(), { reliable }),
    acknowledged({ message }) {
      for (const { resolve } of sent.splice(0, message - acknowledged)) resolve();
      acknowledged = message;
    },
    path: ({ path }) => port.moved(path),
    broken: ({ code }) => close(protocolError("link_broken", code)),
    "stream-opened"({ stream, label }) {
      const ends = addStream(stream, label);
      if (label === WORDS_LABEL && !isFirst) {
        exchangeWords(ends);
      } else if (!port.stream(ends)) {
        carryOut(link.stop(stream, 0, now()));
        carryOut(link.reset(stream, 0, now()));
      }
    },
    "stream-data": ({ stream, data }) => streams.get(stream)?.take(data.slice()),
    "stream-ended": ({ stream }) => streams.get(stream)?.end(),
    "stream-reset": ({ stream }) =>
      streams.get(stream)?.failed(new SheetbendError("stream_reset", "The member gave it up.")),
    "stream-stopped": ({ stream }) =>
      streams.get(stream)?.stopped(new SheetbendError("stream_stopped", "The member wants no more.")),
    "stream-drained": ({ stream }) => streams.get(stream)?.drained(),
  };

  // Paths.

  /** A path has a transport, or another one than before. */
  function pathUp(path: PathName): void {
    if (end) return;
    ups.add(path);
    open.delete(path);
    greet(path);
    // The relay is used in the same breath, behind the greeting; a data channel once it has brought theirs.
    if (path === "relay") carryOut(link.pathUp(path, now()));
  }

  function pathDown(path: PathName): void {
    if (ups.delete(path)) carryOut(link.pathDown(path, now()));
  }

  /** The path takes more again. */
  function pathReady(path: PathName): void {
    if (ups.has(path)) carryOut(link.pathReady(path, port.isReady(path), now()));
  }

  function receive(path: PathName, frame: Bytes): void {
    if (end || !ups.has(path)) return;
    incoming(frame.length);
    const [kind] = frame;
    if (kind === GREETING || kind === ANSWER) greeted(path, frame);
    else if (!open.has(path)) {
      if (environment.now() - greetedAt[path] >= GREET_AGAIN_MS) greet(path);
    } else if (kind === BUNDLE && frame.length <= BUNDLE_BYTES_RECEIVED_MAX)
      unbundle(path, new Reader(frame.subarray(1)));
    else carryOut(link.receive(path, frame, now()));
  }

  // What the application wants.

  async function send(data: unknown, reliable: boolean): Promise<void> {
    if (end) throw end;
    const isText = typeof data === "string";
    const bytes = isText ? encoder.encode(data) : bytesOf(data);
    const effects = (reliable ? link.send : link.sendLossy)(bytes, isText, now());
    const delivery = reliable && new Promise<void>((resolve, reject) => sent.push({ resolve, reject }));
    carryOut(effects);
    await delivery;
  }

  function openStream(label: string): MemberStream {
    if (end) throw end;
    if (label === WORDS_LABEL) throw new SheetbendError("invalid_label", "This label is reserved.");
    return beginStream(label);
  }

  /** Ends it: what wasn't acknowledged may or may not have come. */
  function close(error: SheetbendError): void {
    abandon();
    end = error;
    environment.clearTimeout(timer);
    environment.clearTimeout(readyTimer);
    ups.clear();
  }

  // Greetings.

  function greeting(kind = GREETING): Bytes {
    return join([kind], fromHex(own + other));
  }

  function greet(path: PathName): void {
    greetedAt[path] = environment.now();
    port.transmit(path, greeting(), false);
  }

  function greeted(path: PathName, frame: Bytes): void {
    if (frame.length !== 1 + 2 * INCARNATION_BYTES) return;
    const theirs = toHex(frame.subarray(1, 1 + INCARNATION_BYTES));
    const known = toHex(frame.subarray(1 + INCARNATION_BYTES));
    if (known !== own && known !== NONE) {
      open.delete(path);
      greet(path);
      return;
    }
    const isNew = theirs !== other;
    const isRenewal = isNew && other !== NONE;
    other = theirs;
    if (isRenewal) renew();
    if (frame[0] === GREETING) port.transmit(path, greeting(ANSWER), false);
    const wasOpen = open.has(path);
    open.add(path);
    if (path === "direct" && !wasOpen) carryOut(link.pathUp(path, now()));
    if (isNew && isFirst) exchangeWords(beginStream(WORDS_LABEL));
  }

  /** They know nothing of us any more: what they haven't acknowledged is lost, or not, and new things begin anew. */
  function renew(): void {
    abandon();
    own = incarnation();
    due.length = 0;
    for (const path of PATHS) bundles[path].length = 0;
    link = createLink({ isFirst });
    acknowledged = 0;
    ups.forEach(pathUp);
  }

  function abandon(): void {
    const error = new SheetbendError("delivery_unknown");
    for (const { reject } of sent.splice(0)) reject(error);
    for (const stream of streams.values()) {
      stream.failed(error);
      stream.stopped(error);
    }
    streams.clear();
  }

  // Effects.

  /** What an effect brings about is done behind the effects that are still due. */
  function carryOut(effects: readonly LinkEffect[]): void {
    due.push(...effects);
    if (isBusy) return;
    isBusy = true;
    try {
      for (let effect = due.shift(); effect; effect = due.shift()) perform(effect);
    } finally {
      isBusy = false;
    }
    watchPaths();
    arm();
  }

  function perform<Kind extends EffectKind>(effect: LinkEffect<Kind>): void {
    performers[effect.effect](effect);
  }

  /** Carries out what a verb wants done, and returns what else it has returned. */
  function answerOf<Answer>([answer, effects]: [Answer, LinkEffect[]]): Answer {
    carryOut(effects);
    return answer;
  }

  function sendBundles(): void {
    bundledBytes = 0;
    for (const path of PATHS) {
      const frames = bundles[path].splice(0);
      const [first] = frames;
      if (!first || !ups.has(path)) continue;
      const parts = frames.flatMap((frame) => [[frame.length >> 8, frame.length], frame]);
      port.transmit(path, frames.length > 1 ? join([BUNDLE], ...parts) : first, false);
    }
  }

  function unbundle(path: PathName, reader: Reader): void {
    const at = now();
    const effects: LinkEffect[] = [];
    while (!reader.isAtEnd) effects.push(...link.receive(path, reader.piece(), at));
    carryOut(effects);
  }

  // Streams.

  function beginStream(label: string): StreamEnds {
    return addStream(answerOf(link.openStream(label, now())), label);
  }

  function addStream(stream: number, label: string): StreamEnds {
    const ends = createStreamEnds(label, {
      write: (data) => answerOf(link.write(stream, data, now())),
      finish: () => carryOut(link.finish(stream, now())),
      reset: () => carryOut(link.reset(stream, 0, now())),
      stop: () => carryOut(link.stop(stream, 0, now())),
      consume: (size) => carryOut(link.consume(stream, size, now())),
    });
    streams.set(stream, ends);
    return ends;
  }

  /** Where another stands in between, it can't get the same words on both sides: it has this one try. */
  async function exchangeWords(stream: MemberStream): Promise<void> {
    try {
      const agreed = await words(stream);
      if (agreed) port.words(agreed);
    } catch {
      // They broke the exchange, or it is over: there are no words, and so nothing to trust.
    }
  }

  // Time.

  function now(): number {
    clockS = Math.max(clockS, environment.now() / 1000);
    return clockS;
  }

  /** Tells of paths that hang, and holds back those that take no more. */
  function watchPaths(): void {
    let isFull = false;
    for (const path of ups) {
      port.silent(path, link[path].isQuiet);
      const isReady = port.isReady(path);
      if (isReady !== link[path].isReady) due.push(...link.pathReady(path, isReady, now()));
      isFull ||= !isReady;
    }
    if (due.length > 0) carryOut([]);
    environment.clearTimeout(readyTimer);
    if (isFull) readyTimer = environment.setTimeout(() => carryOut([]), READY_AFTER_MS);
  }

  function arm(): void {
    const at = link.nextDeadline() ?? NEVER;
    if (timerAt <= at) return; // It will see that it came early.
    timerAt = at;
    environment.clearTimeout(timer);
    const delayS = at - now();
    if (delayS <= EARLY_S && environment.areTimersLate()) {
      clockS = at;
      queueMicrotask(tick);
    } else {
      timer = environment.setTimeout(tick, Math.max(0, Math.ceil(delayS * 1000)));
    }
  }

  function tick(): void {
    timerAt = NEVER;
    if (!end) carryOut(link.tick(now()));
  }

  return {
    get path(): PathName | null {
      return link.path;
    },
    get rttMs(): number | null {
      const { path } = link;
      const rttS = path && link[path].rttS;
      return rttS && rttS * 1000;
    },
    get rates(): Rates {
      return { sent: outgoing(), received: incoming() };
    },
    pathUp,
    pathDown,
    pathReady,
    receive,
    /** What begins a path. */
    greeting,
    send,
    openStream,
    close,
  };
}

/** Counts bytes. Returns how many a second there are. */
function createRate(environment: Environment): (added?: number) => number {
  let bytes = 0;
  let at = 0;
  return (added = 0) => {
    const now = environment.now();
    bytes = bytes * Math.exp((at - now) / RATE_MS) + added;
    at = now;
    return bytes;
  };
}

function incarnation(): string {
  return toHex(randomBytes(INCARNATION_BYTES));
}
