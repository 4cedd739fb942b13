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
import { fromHex, join, toHex } from "./bytes.js";
import type { Environment } from "./environment.js";
import { SheetbendError } from "./errors.js";
import type { LinkEffect, PathName } from "./link/effects.js";
import { Reader } from "./link/frames.js";
import { Link } from "./link/link.js";
import { decodeData, encodeData } from "./member-data.js";
import { StreamEnds } from "./member-stream.js";
import type { SafetyWords } from "./sealing.js";

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
const WORDS_BYTES = 33;
const NO_WORDS = Promise.resolve(null);
/** Rates are averages that forget like this. */
const RATE_MS = 1000;

interface Sent {
  resolve(): void;
  reject(error: SheetbendError): void;
}

export class MemberLink {
  readonly #environment: Environment;
  readonly #isFirst: boolean;
  readonly #port: MemberLinkPort;
  readonly #words: () => Promise<SafetyWords | null>;
  #link: Link;
  #own = incarnation();
  #other = NONE;
  readonly #ups = new Set<PathName>();
  /** Those whose frames are taken. */
  readonly #open = new Set<PathName>();
  readonly #greetedAt = new Map<PathName, number>();
  /** No earlier than any time that the link was told of. */
  #clockS = 0;
  readonly #due: LinkEffect[] = [];
  /** Frames that go out together, once the caller is done. */
  readonly #bundles: Record<PathName, Bytes[]> = { relay: [], direct: [] };
  #bundledBytes = 0;
  #isBusy = false;
  #error: SheetbendError | null = null;
  #timer = 0;
  #timerAt = Number.POSITIVE_INFINITY;
  #readyTimer = 0;
  /** Messages on their way, and how many were acknowledged before. */
  #sent: Sent[] = [];
  #acknowledged = 0;
  readonly #streams = new Map<number, StreamEnds>();
  #wordsStream: number | null = null;
  #exchange: Promise<SafetyWords | null> = NO_WORDS;
  readonly #outgoing: Rate;
  readonly #incoming: Rate;

  /** @param words begins the exchange of safety words; null where there has been one */
  constructor(
    environment: Environment,
    isFirst: boolean,
    words: () => Promise<SafetyWords | null>,
    port: MemberLinkPort,
  ) {
    this.#environment = environment;
    this.#isFirst = isFirst;
    this.#words = words;
    this.#port = port;
    this.#outgoing = new Rate(environment);
    this.#incoming = new Rate(environment);
    this.#link = this.#begin();
  }

  get path(): PathName | null {
    return this.#link.path;
  }

  get rttMs(): number | null {
    const { path } = this.#link;
    const rttS = path && this.#link[path].rttS;
    return rttS === null ? null : rttS * 1000;
  }

  get rates(): Rates {
    return { sent: this.#outgoing.perSecond(), received: this.#incoming.perSecond() };
  }

  // Paths.

  /** A path has a transport, or another one than before. */
  pathUp(path: PathName): void {
    if (this.#error) return;
    this.#ups.add(path);
    this.#open.delete(path);
    this.#greet(path);
    // The relay is used in the same breath, behind the greeting; a data channel once it has brought theirs.
    if (path === "relay") this.#do((now) => this.#link.pathUp(path, now));
  }

  pathDown(path: PathName): void {
    if (!this.#ups.delete(path)) return;
    this.#open.delete(path);
    this.#do((now) => this.#link.pathDown(path, now));
  }

  /** The path takes more again. */
  pathReady(path: PathName): void {
    if (this.#ups.has(path)) this.#do((now) => this.#link.pathReady(path, this.#port.isReady(path), now));
  }

  receive(path: PathName, frame: Bytes): void {
    if (this.#error || !this.#ups.has(path)) return;
    this.#incoming.add(frame.length);
    if (frame[0] === GREETING || frame[0] === ANSWER) this.#greeted(path, frame);
    else if (!this.#open.has(path)) this.#greetAgain(path);
    else if (frame[0] === BUNDLE) this.#unbundle(path, new Reader(frame.subarray(1)));
    else this.#do((now) => this.#link.receive(path, frame, now));
  }

  /** What begins a path. */
  get greeting(): Bytes {
    return this.#incarnations(GREETING);
  }

  // What the application wants.

  async send(data: unknown, reliable: boolean): Promise<void> {
    if (this.#error) throw this.#error;
    const bytes = encodeData(data);
    if (!bytes)
      throw new SheetbendError("invalid_argument", "A message is text, an ArrayBuffer or a view of one.");
    const isText = typeof data === "string";
    if (!reliable) {
      this.#do((now) => this.#link.sendLossy(bytes, isText, now));
      return;
    }
    await new Promise<void>((resolve, reject) => {
      this.#do((now) => {
        const effects = this.#link.send(bytes, isText, now);
        this.#sent.push({ resolve, reject });
        return effects;
      });
    });
  }

  openStream(label: string): MemberStream {
    if (this.#error) throw this.#error;
    if (label === WORDS_LABEL)
      throw new SheetbendError("invalid_label", "Streams of this label are Sheetbend's own.");
    return this.#addStream(this.#openStream(label), label);
  }

  /** Ends it: what wasn't acknowledged may or may not have come. */
  close(error: SheetbendError): void {
    this.#abandon();
    this.#error = error;
    this.#environment.clearTimeout(this.#timer);
    this.#environment.clearTimeout(this.#readyTimer);
    this.#ups.clear();
    this.#open.clear();
  }

  // The parts.

  #begin(): Link {
    this.#sent = [];
    this.#acknowledged = 0;
    this.#streams.clear();
    this.#wordsStream = null;
    this.#exchange = NO_WORDS;
    return new Link({ isFirst: this.#isFirst });
  }

  /** They know nothing of us any more: what they haven't acknowledged is lost, or not, and new things begin anew. */
  #renew(): void {
    this.#abandon();
    this.#own = incarnation();
    this.#due.length = 0;
    for (const path of PATHS) this.#bundles[path].length = 0;
    this.#link = this.#begin();
    for (const path of this.#ups) {
      this.#open.delete(path);
      this.#greet(path);
    }
    if (this.#ups.has("relay")) this.#do((now) => this.#link.pathUp("relay", now));
  }

  #abandon(): void {
    const error = new SheetbendError(
      "delivery_unknown",
      "The member was lost before it had acknowledged this.",
    );
    for (const { reject } of this.#sent.splice(0)) reject(error);
    for (const stream of this.#streams.values()) {
      stream.failed(error);
      stream.stopped(error);
    }
  }

  #incarnations(kind: number): Bytes {
    return join([kind], fromHex(this.#own), fromHex(this.#other));
  }

  #greet(path: PathName): void {
    this.#greetedAt.set(path, this.#environment.now());
    this.#port.transmit(path, this.greeting, false);
  }

  #greetAgain(path: PathName): void {
    const at = this.#greetedAt.get(path) ?? 0;
    if (this.#environment.now() - at >= GREET_AGAIN_MS) this.#greet(path);
  }

  #greeted(path: PathName, frame: Bytes): void {
    if (frame.length !== 1 + 2 * INCARNATION_BYTES) return;
    const theirs = toHex(frame.subarray(1, 1 + INCARNATION_BYTES));
    const known = toHex(frame.subarray(1 + INCARNATION_BYTES));
    if (known !== this.#own && known !== NONE) {
      this.#open.delete(path);
      this.#greet(path);
      return;
    }
    const isNew = theirs !== this.#other;
    const isRenewal = isNew && this.#other !== NONE;
    this.#other = theirs;
    if (isRenewal) this.#renew();
    if (frame[0] === GREETING) this.#port.transmit(path, this.#incarnations(ANSWER), false);
    const wasOpen = this.#open.has(path);
    this.#open.add(path);
    if (path === "direct" && !wasOpen) this.#do((now) => this.#link.pathUp(path, now));
    if (isNew && this.#isFirst) this.#beginWords();
  }

  /** What an effect brings about is done behind the effects that are still due. */
  #do(input: (now: number) => LinkEffect[]): void {
    this.#due.push(...input(this.#now()));
    if (this.#isBusy) return;
    this.#isBusy = true;
    try {
      for (let effect = this.#due.shift(); effect; effect = this.#due.shift()) this.#perform(effect);
    } finally {
      this.#isBusy = false;
    }
    this.#watchPaths();
    this.#arm();
  }

  #perform(effect: LinkEffect): void {
    switch (effect.effect) {
      case "transmit":
        this.#outgoing.add(effect.frame.length);
        if (effect.lossy) this.#port.transmit(effect.path, effect.frame, true);
        else this.#bundle(effect.path, effect.frame);
        break;
      case "delivered":
        this.#port.message(decodeData(effect.data, effect.isText), { reliable: effect.reliable });
        break;
      case "acknowledged":
        for (const { resolve } of this.#sent.splice(0, effect.message - this.#acknowledged)) resolve();
        this.#acknowledged = effect.message;
        break;
      case "path":
        this.#port.moved(effect.path);
        break;
      case "broken":
        this.close(
          new SheetbendError("link_broken", `The member's program broke the protocol: ${effect.code}.`),
        );
        break;
      default:
        this.#performOfStream(effect);
    }
  }

  #bundle(path: PathName, frame: Bytes): void {
    if (this.#bundledBytes === 0) queueMicrotask(() => this.#sendBundles());
    if (this.#bundledBytes + frame.length > BUNDLE_BYTES_MAX) this.#sendBundles();
    this.#bundles[path].push(frame);
    this.#bundledBytes += frame.length + 2;
  }

  #sendBundles(): void {
    this.#bundledBytes = 0;
    for (const path of PATHS) {
      const [first, ...more] = this.#bundles[path].splice(0);
      if (!first || !this.#ups.has(path)) continue;
      const parts = [first, ...more].flatMap((frame) => [[frame.length >> 8, frame.length & 0xff], frame]);
      this.#port.transmit(path, more.length > 0 ? join([BUNDLE], ...parts) : first, false);
    }
  }

  #unbundle(path: PathName, reader: Reader): void {
    this.#do((now) => {
      const effects: LinkEffect[] = [];
      while (!reader.isAtEnd) effects.push(...this.#link.receive(path, reader.piece(), now));
      return effects;
    });
  }

  #performOfStream(effect: Extract<LinkEffect, { stream: number }>): void {
    const { stream } = effect;
    const ends = this.#streams.get(stream);
    switch (effect.effect) {
      case "stream-opened":
        this.#streamOpened(stream, effect.label);
        break;
      case "stream-data":
        if (stream === this.#wordsStream) this.#continueWords(effect.data.slice());
        else ends?.take(effect.data.slice());
        break;
      case "stream-ended":
        ends?.end();
        break;
      case "stream-reset":
        ends?.failed(new SheetbendError("stream_reset", "The member gave up writing this stream."));
        break;
      case "stream-stopped":
        ends?.stopped(new SheetbendError("stream_stopped", "The member wants no more of this stream."));
        break;
      case "stream-drained":
        ends?.drained();
    }
  }

  #openStream(label: string): number {
    let opened = 0;
    this.#do((now) => {
      const [stream, effects] = this.#link.openStream(label, now);
      opened = stream;
      return effects;
    });
    return opened;
  }

  #addStream(stream: number, label: string): StreamEnds {
    const link = this.#link;
    const isOver = () => link !== this.#link || this.#error !== null;
    const ends = new StreamEnds(label, {
      write: (data) => {
        let hasPlace = true;
        this.#do((now) => {
          if (isOver()) return [];
          const [answer, effects] = link.write(stream, data, now);
          hasPlace = answer;
          return effects;
        });
        return hasPlace;
      },
      finish: () => isOver() || this.#do((now) => link.finish(stream, now)),
      reset: () => isOver() || this.#do((now) => link.reset(stream, 0, now)),
      stop: () => isOver() || this.#do((now) => link.stop(stream, 0, now)),
      consume: (size) => isOver() || this.#do((now) => link.consume(stream, size, now)),
    });
    this.#streams.set(stream, ends);
    return ends;
  }

  #streamOpened(stream: number, label: string): void {
    if (label === WORDS_LABEL && !this.#isFirst) {
      this.#wordsStream = stream;
      this.#exchange = this.#words();
      return;
    }
    const ends = this.#addStream(stream, label);
    if (this.#port.stream(ends)) return;
    this.#do((now) => [...this.#link.stop(stream, 0, now), ...this.#link.reset(stream, 0, now)]);
  }

  /** Where another stands in between, it can't get the same words on both sides: it has this one try. */
  #beginWords(): void {
    this.#exchange = this.#words();
    this.#wordsStream = this.#openStream(WORDS_LABEL);
    this.#answerWords((exchange) => exchange.start());
  }

  #continueWords(message: Bytes): void {
    if (message.length === WORDS_BYTES) this.#answerWords((exchange) => exchange.receive(message));
  }

  async #answerWords(step: (exchange: SafetyWords) => Promise<Bytes | null>): Promise<void> {
    const stream = this.#wordsStream;
    const link = this.#link;
    try {
      const exchange = await this.#exchange;
      const answer = exchange && (await step(exchange));
      if (link !== this.#link || stream === null || this.#error) return;
      if (answer) this.#do((now) => link.write(stream, answer, now)[1]);
      if (exchange?.words) {
        this.#do((now) => [...link.finish(stream, now), ...link.consume(stream, WORDS_BYTES, now)]);
        this.#port.words(exchange.words);
      }
    } catch {
      // They broke the exchange: there are no words, and so nothing to trust.
    }
  }

  // Time.

  #now(): number {
    this.#clockS = Math.max(this.#clockS, this.#environment.now() / 1000);
    return this.#clockS;
  }

  /** Tells of paths that hang, and holds back those that take no more. */
  #watchPaths(): void {
    let isFull = false;
    for (const path of this.#ups) {
      this.#port.silent(path, this.#link[path].isQuiet);
      const isReady = this.#port.isReady(path);
      if (isReady !== this.#link[path].isReady) {
        const effects = this.#link.pathReady(path, isReady, this.#now());
        this.#due.push(...effects);
      }
      isFull ||= !isReady;
    }
    if (this.#due.length > 0) this.#do(() => []);
    this.#environment.clearTimeout(this.#readyTimer);
    if (isFull) this.#readyTimer = this.#environment.setTimeout(() => this.#do(() => []), READY_AFTER_MS);
  }

  #arm(): void {
    const at = this.#link.nextDeadline() ?? Number.POSITIVE_INFINITY;
    if (this.#timerAt <= at && this.#timerAt !== Number.POSITIVE_INFINITY) return; // It will see that it came early.
    this.#environment.clearTimeout(this.#timer);
    this.#timerAt = at;
    if (at === Number.POSITIVE_INFINITY) return;
    if (at - this.#now() <= EARLY_S && this.#environment.areTimersLate()) {
      this.#timerAt = Number.POSITIVE_INFINITY;
      this.#clockS = at;
      queueMicrotask(() => this.#error || this.#do((now) => this.#link.tick(now)));
      return;
    }
    this.#timer = this.#environment.setTimeout(
      () => {
        this.#timerAt = Number.POSITIVE_INFINITY;
        this.#do((now) => this.#link.tick(now));
      },
      Math.max(0, Math.ceil((at - this.#now()) * 1000)),
    );
  }
}

/** Bytes a second. */
class Rate {
  readonly #environment: Environment;
  #bytes = 0;
  #at = 0;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  add(bytes: number): void {
    this.#bytes = this.perSecond() + (bytes * 1000) / RATE_MS;
  }

  perSecond(): number {
    const now = this.#environment.now();
    this.#bytes *= Math.exp((this.#at - now) / RATE_MS);
    this.#at = now;
    return this.#bytes;
  }
}

function incarnation(): string {
  return toHex(crypto.getRandomValues(new Uint8Array(INCARNATION_BYTES)));
}
