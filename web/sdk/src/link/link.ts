/**
 * A link: the conversation of two members, above any path.
 *
 * What is sent reliably arrives once and in order, whatever the paths do; what is sent lossily at most once and never
 * late. Records have one sequence. Each goes over the path that is in use then; where a path falls quiet or goes down,
 * what it hasn't delivered goes over the other, and where an answer shows that a record was lost on its way it is sent
 * again. The receiver puts things in order and drops what comes twice.
 *
 *     relay ──(direct answers, and has for long enough)──> direct
 *     direct ──(quiet for a few round trips, or down)────> relay
 *
 * Both members hold one, alike but for `isFirst`. Leaves to others: transports (`transmit`), sealing, what is said.
 * Every verb returns effects, and the caller owes each of them, in order; `nextDeadline` says when to call `tick`.
 * Times are seconds on a monotonic clock. `core/link/link.py` is its twin, held to the same traces.
 */

import { join } from "../bytes.js";
import { SheetbendError } from "../errors.js";
import type { LinkEffect, PathName } from "./effects.js";
import {
  encodeFrame,
  FrameKind,
  protocolError,
  Reader,
  RecordKind,
  RUNS_MAX,
  type Run,
  varint,
} from "./frames.js";
import { BODY_BYTES_MAX, MESSAGE_OVERHEAD_BYTES, Outgoing } from "./outgoing.js";
import { NEVER, Path } from "./path.js";

/** Of a reliable message; longer things are streams. */
export const MESSAGE_BYTES_MAX = 1 << 20;
export const LOSSY_BYTES_MAX = BODY_BYTES_MAX;
/** Of messages that wait to be sent. */
export const PENDING_BYTES_MAX = 1 << 23;
/** What may be on its way on a path. A server holds more than a link's window, so that a slow reader costs no loss. */
const WINDOW_BYTES = { relay: 1 << 18, direct: 1 << 20 };
/** How far ahead of the oldest unacknowledged record one may be: bounds what a receiver has to put in order. */
const WINDOW_RECORDS = 4096;
/** Of a stream, what its reader takes unread at first. */
export const STREAM_CREDIT_BYTES = 1 << 18;
/** And what it comes to take where it keeps up: else the writer would wait for it a round trip at a time. */
export const STREAM_CREDIT_BYTES_MAX = 1 << 20;
/** That the other side may have open. */
const STREAMS_MAX = 128;
/** Of whole frames that come in. */
const FRAME_BYTES_MAX = BODY_BYTES_MAX + 64;
const LABEL_BYTES_MAX = 1024;
const REASON_MAX = 2 ** 30 - 1;
/** How often one record may get lost: who claims more makes us send for nothing. */
const LOSSES_MAX = 100;
/** Of streams, that wait to be told. */
const REFUSALS_MAX = 1024;
/** Of records, on their way or behind one that got lost. */
const UNACKNOWLEDGED_BYTES_MAX = 1 << 21;
/** Of records behind a gap; what is more is dropped, and comes again. */
const EARLY_BYTES_MAX = UNACKNOWLEDGED_BYTES_MAX + BODY_BYTES_MAX;
/** Behind such a part of what may be on its way an acknowledgement doesn't wait. */
const ACKS_A_WINDOW = 4;
/** A direct path in use is asked so often when nothing else is sent. */
const IDLE_PING_S = 2;

const encoder = new TextEncoder();

/** A record on its way. */
interface Entry {
  readonly sequence: number;
  /** A kind and its body. */
  readonly record: Uint8Array;
  /** Which message it ends. */
  readonly message: number | null;
  path: Path;
  /** What it has on `path`. */
  number: number;
  isLost: boolean;
  losses: number;
}

/** A record that came before its turn. */
interface Early {
  readonly kind: RecordKind;
  readonly body: Uint8Array;
}

/** The receiving half of a stream. */
interface Reading {
  received: number;
  consumed: number;
  allowed: number;
  credit: number;
}

/** One end of a link. `isFirst` is true for one of the two: its streams have odd numbers, the other's even ones. */
export class Link {
  readonly relay = new Path("relay");
  readonly direct = new Path("direct");
  readonly #paths = [this.relay, this.direct];
  #active: Path | null = null;
  #effects: LinkEffect[] = [];
  #isBroken = false;

  readonly #outgoing = new Outgoing((stream) => this.#emit({ effect: "stream-drained", stream }));
  /** Of the last record that was sent. */
  #sequence = 0;
  readonly #unacknowledged: Entry[] = [];
  #unacknowledgedBytes = 0;
  /** To be sent again, in order. */
  #lost: Entry[] = [];
  /** Those whose last record was. */
  #messagesSent = 0;
  #lossySent = 0;
  /** When a numbered frame went over the path in use. */
  #sentAt = 0;

  /** All records up to this one are here. */
  #received = 0;
  /** Those behind a gap. */
  readonly #early = new Map<number, Early>();
  #earlyBytes = 0;
  #lossyReceived = 0;
  /** The message that isn't complete: its bytes so far, and place for more. */
  #message = new Uint8Array();
  #messageBytes = 0;
  #isText = false;

  #nextStream: number;
  #lastPeerStream: number;
  readonly #reading = new Map<number, Reading>();

  constructor({ isFirst }: { isFirst: boolean }) {
    this.#nextStream = isFirst ? 1 : 2;
    this.#lastPeerStream = isFirst ? 0 : -1;
  }

  // What it is asked.

  /** Where what is sent goes now. */
  get path(): PathName | null {
    return this.#active?.name ?? null;
  }

  /** Of messages that wait to be sent. */
  get pendingBytes(): number {
    return this.#outgoing.messagesBytes;
  }

  /** When `tick` has something to do; null for not yet. */
  nextDeadline(): number | null {
    if (this.#isBroken) return null;
    let at = this.#idleAt;
    for (const path of this.#paths) {
      if (path.isUp) at = Math.min(at, path.quietAt);
      if (path.isUp && path.isReady) at = Math.min(at, path.ackDue, path.pingAt);
    }
    const { direct } = this;
    if (this.#active === this.relay && this.#answers(direct)) at = Math.min(at, direct.trustedAt);
    return at === NEVER ? null : at;
  }

  // What happens to it.

  /** A path has a transport now, or another one than before. What was on its way on the old one may be lost. */
  pathUp(name: PathName, now: number): LinkEffect[] {
    const path = this[name];
    if (path.isUp) path.down(now);
    path.up();
    this.#giveUpOn(path);
    this.#ping(path, now);
    return this.#goOn(now);
  }

  /** A path has no transport any more. */
  pathDown(name: PathName, now: number): LinkEffect[] {
    const path = this[name];
    if (path.isUp) {
      path.down(now);
      this.#giveUpOn(path);
    }
    return this.#goOn(now);
  }

  /** The transport of a path takes more, or had better be given no more for now. */
  pathReady(name: PathName, isReady: boolean, now: number): LinkEffect[] {
    this[name].isReady = isReady;
    return this.#goOn(now);
  }

  /** A frame came in. What it brings shares its memory. */
  receive(name: PathName, frame: Uint8Array, now: number): LinkEffect[] {
    if (this.#isBroken) return [];
    const path = this[name];
    try {
      if (frame.length > FRAME_BYTES_MAX) throw protocolError("invalid_frame");
      this.#receiveFrame(path, new Reader(frame), frame.length, now);
    } catch (error) {
      if (!(error instanceof SheetbendError)) throw error;
      this.#isBroken = true;
      return [...this.#effects, { effect: "broken", code: error.code }];
    }
    path.lives();
    return this.#goOn(now);
  }

  /** Time has passed. */
  tick(now: number): LinkEffect[] {
    for (const path of this.#paths) {
      if (path.isUp && now >= path.quietAt) {
        path.fellQuiet(now);
        this.#giveUpOn(path);
      }
    }
    if (now >= this.#idleAt) this.#ping(this.direct, now);
    return this.#goOn(now);
  }

  // What the application wants.

  /**
   * Sends a reliable message. `data` must not be changed while it waits.
   *
   * @throws SheetbendError `message_too_big`, `too_many_pending`, `link_broken`
   */
  send(data: Uint8Array, isText: boolean, now: number): LinkEffect[] {
    if (this.#isBroken)
      throw new SheetbendError("link_broken", "The other side broke the protocol of links.");
    checkSize("message", data, MESSAGE_BYTES_MAX);
    if (this.#outgoing.messagesBytes + data.length + MESSAGE_OVERHEAD_BYTES > PENDING_BYTES_MAX)
      throw new SheetbendError("too_many_pending", `${PENDING_BYTES_MAX} bytes of messages wait already.`);
    this.#outgoing.putMessage(data, isText);
    return this.#goOn(now);
  }

  /**
   * Sends a message once, if there is a path that takes it now.
   *
   * @throws SheetbendError `message_too_big`
   */
  sendLossy(data: Uint8Array, isText: boolean, now: number): LinkEffect[] {
    checkSize("message that may be lost", data, LOSSY_BYTES_MAX);
    const path = this.#active;
    if (path?.isReady && !this.#isBroken)
      this.#transmit(path, encodeFrame(FrameKind.Lossy, [++this.#lossySent], [Number(isText)], data), true);
    return this.#goOn(now);
  }

  /**
   * Opens a stream, which both sides can write to. Returns its number besides.
   *
   * @throws SheetbendError `invalid_label`, `too_many_streams`
   */
  openStream(label: string, now: number): [number, LinkEffect[]] {
    const encoded = encoder.encode(label);
    checkSize("label", encoded, LABEL_BYTES_MAX, "invalid_label");
    const stream = this.#nextStream;
    if (this.#countStreams(stream) >= STREAMS_MAX)
      throw new SheetbendError("too_many_streams", `${STREAMS_MAX} streams are open.`);
    this.#nextStream += 2;
    this.#outgoing.put(RecordKind.StreamOpen, stream, encoded);
    this.#openHalves(stream);
    return [stream, this.#goOn(now)];
  }

  /**
   * Writes to a stream. Returns besides whether there is place for more; if not, `stream-drained` will say so. What is
   * written to a stream that is finished, reset or stopped goes nowhere. `data` must not be changed while it waits.
   */
  write(stream: number, data: Uint8Array, now: number): [boolean, LinkEffect[]] {
    const hasPlace = this.#isBroken || this.#outgoing.write(stream, data);
    return [hasPlace, this.#goOn(now)];
  }

  /** Says that all is written. */
  finish(stream: number, now: number): LinkEffect[] {
    this.#outgoing.finish(stream);
    return this.#goOn(now);
  }

  /**
   * Gives up writing; what waits isn't sent.
   *
   * @throws SheetbendError `invalid_reason` unless `reason` is a whole number below 2^30
   */
  reset(stream: number, reason: number, now: number): LinkEffect[] {
    checkReason(reason);
    if (this.#outgoing.drop(stream)) this.#outgoing.put(RecordKind.StreamReset, stream, varint(reason));
    return this.#goOn(now);
  }

  /**
   * Wants no more of a stream; what still comes is dropped.
   *
   * @throws SheetbendError `invalid_reason` as `reset`
   */
  stop(stream: number, reason: number, now: number): LinkEffect[] {
    checkReason(reason);
    if (this.#reading.delete(stream)) this.#outgoing.put(RecordKind.StreamStop, stream, varint(reason));
    return this.#goOn(now);
  }

  /** `size` more bytes of a stream were used, so that the other side may send as many more. */
  consume(stream: number, size: number, now: number): LinkEffect[] {
    const reading = this.#reading.get(stream);
    if (!reading) return [];
    reading.consumed += size;
    if (reading.allowed - reading.consumed > reading.credit / 2) return [];
    if (reading.consumed === reading.received)
      reading.credit = Math.min(2 * reading.credit, STREAM_CREDIT_BYTES_MAX);
    reading.allowed = reading.consumed + reading.credit;
    this.#outgoing.put(RecordKind.StreamCredit, stream, varint(reading.allowed));
    return this.#goOn(now);
  }

  // Sending.

  /** Chooses the path, sends what can be sent, and hands over the effects. */
  #goOn(now: number): LinkEffect[] {
    if (this.#isBroken) {
      this.#effects = [];
      return [];
    }
    this.#choose(now);
    this.#flush(now);
    for (const path of this.#paths) {
      if (!path.isUp || !path.isReady) continue;
      if (now >= path.pingAt) {
        this.#ping(path, now);
        path.pinged(now);
      }
      this.#acknowledgeIfDue(path, now);
    }
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  /**
   * Takes the direct path if it answers and is to be trusted, else the relay; of two that don't answer, the one in use.
   */
  #choose(now: number): void {
    const best = this.#best(now);
    if (best === this.#active) return;
    this.#active = best;
    this.#sentAt = now;
    this.#emit({ effect: "path", path: this.path });
    if (best === null) return;
    const other = this.#otherThan(best);
    if (other.isQuiet || !other.isUp) this.#giveUpOn(other);
  }

  #best(now: number): Path | null {
    const { relay, direct } = this;
    if (this.#answers(relay)) return this.#answers(direct) && now >= direct.trustedAt ? direct : relay;
    if (this.#answers(direct)) return direct;
    if (this.#active?.isUp) return this.#active;
    return relay.isUp ? relay : direct.isUp ? direct : null;
  }

  /** Whether it may be used. The relay is believed in before it has answered. */
  #answers(path: Path): boolean {
    return path.isUp && !path.isQuiet && (path.isProven || path === this.relay);
  }

  /** When a direct path in use is asked whether it lives. */
  get #idleAt(): number {
    const { direct } = this;
    const isAsked = this.#active === direct && direct.isReady && !direct.isQuiet;
    return isAsked ? this.#sentAt + IDLE_PING_S : NEVER;
  }

  /** What is on its way on `path` goes over another, if there is one that answers (or a fresh one of its own). */
  #giveUpOn(path: Path): void {
    if (path.isQuiet && !this.#answers(this.#otherThan(path))) return;
    this.#lose(this.#unacknowledged.filter((entry) => entry.path === path && !entry.isLost));
  }

  #otherThan(path: Path): Path {
    return path === this.direct ? this.relay : this.direct;
  }

  /** Sends these again, before anything newer. */
  #lose(entries: readonly Entry[]): void {
    if (entries.length === 0) return;
    for (const entry of entries) entry.isLost = true;
    this.#lost = [...this.#lost, ...entries].sort((one, other) => one.sequence - other.sequence);
  }

  #flush(now: number): void {
    const path = this.#active;
    if (!path?.isUp) return;
    while (path.isReady && path.inFlight < WINDOW_BYTES[path.name]) {
      const entry = this.#lost.shift() ?? this.#nextNew(path);
      if (!entry) return;
      entry.path = path;
      entry.isLost = false;
      entry.number = path.nextNumber(now, entry.record.length);
      this.#sentAt = now;
      const { number, sequence, record } = entry;
      this.#transmit(path, encodeFrame(FrameKind.Record, [number, sequence], record));
    }
  }

  #nextNew(path: Path): Entry | undefined {
    const oldest = this.#unacknowledged[0]?.sequence ?? NEVER;
    if (
      this.#unacknowledgedBytes >= UNACKNOWLEDGED_BYTES_MAX ||
      this.#sequence - oldest >= WINDOW_RECORDS - 1
    )
      return;
    const record = this.#outgoing.next();
    if (!record) return;
    this.#unacknowledgedBytes += record.length;
    const endsMessage = record[0] === RecordKind.TextEnd || record[0] === RecordKind.BinaryEnd;
    const entry = {
      sequence: ++this.#sequence,
      record,
      message: endsMessage ? ++this.#messagesSent : null,
      path,
      number: 0,
      isLost: false,
      losses: 0,
    };
    this.#unacknowledged.push(entry);
    return entry;
  }

  #ping(path: Path, now: number): void {
    if (path === this.#active) this.#sentAt = now;
    this.#transmit(path, encodeFrame(FrameKind.Ping, [path.nextNumber(now)]));
  }

  #acknowledgeIfDue(path: Path, now: number): void {
    if (
      path.ackDue === NEVER ||
      (now < path.ackDue && path.unansweredBytes < WINDOW_BYTES[path.name] / ACKS_A_WINDOW)
    )
      return;
    const delayMs = Math.trunc((now - path.receivedAt) * 1000);
    path.ackDue = NEVER;
    path.unansweredBytes = 0;
    const numbers = [path.received, delayMs, this.#received];
    this.#transmit(path, encodeFrame(FrameKind.Ack, [...numbers, ...this.#gapsAndRuns()]));
  }

  #transmit(path: Path, frame: Uint8Array<ArrayBuffer>, lossy = false): void {
    this.#emit({ effect: "transmit", path: path.name, frame, lossy });
  }

  #emit(effect: LinkEffect): void {
    this.#effects.push(effect);
  }

  // Receiving.

  /** All of a frame is read before it is acted upon: one that can't be read does nothing. */
  #receiveFrame(path: Path, reader: Reader, size: number, now: number): void {
    const kind = reader.byte(FrameKind.Lossy);
    const number = reader.varint();
    if (kind === FrameKind.Record) {
      const sequence = reader.varint();
      const record = { kind: reader.recordKind(), body: reader.rest() };
      path.arrived(number, size, now);
      this.#receiveRecord(path, sequence, record, now);
    } else if (kind === FrameKind.Ack) {
      const delayS = reader.varint() / 1000;
      const cumulative = reader.varint();
      this.#receiveAck(path, number, delayS, cumulative, reader.runs(cumulative), now);
    } else if (kind === FrameKind.Lossy) {
      this.#receiveLossy(number, reader.byte(1) === 1, reader.rest());
    } else {
      reader.end();
      path.arrived(number, 0, now);
      path.ackDue = now;
    }
  }

  #receiveAck(
    path: Path,
    echo: number,
    delayS: number,
    cumulative: number,
    early: readonly Run[],
    now: number,
  ): void {
    if (echo > path.sent || cumulative > this.#sequence) throw protocolError("invalid_ack");
    const isLater = echo > path.echoed;
    path.answered(echo, delayS, now);
    const message = this.#forgetUpTo(cumulative);
    if (message !== null) this.#emit({ effect: "acknowledged", message });
    if (!isLater) return;
    const lost = this.#findLost(early);
    for (const entry of lost) if (++entry.losses > LOSSES_MAX) throw protocolError("too_many_losses");
    this.#lose(lost);
  }

  /** Returns the last message that is acknowledged now, if one is. */
  #forgetUpTo(cumulative: number): number | null {
    let message: number | null = null;
    let arrived = 0;
    for (const entry of this.#unacknowledged) {
      if (entry.sequence > cumulative) break;
      this.#unacknowledgedBytes -= entry.record.length;
      message = entry.message ?? message;
      arrived++;
    }
    this.#unacknowledged.splice(0, arrived);
    this.#lost = this.#lost.filter(({ sequence }) => sequence > cumulative);
    return message;
  }

  /** What went over a path before a frame that is answered, and isn't there, is lost: a path keeps its order. */
  #findLost(early: readonly Run[]): Entry[] {
    const lost: Entry[] = [];
    const runs = early.values();
    let run: Run | undefined = runs.next().value;
    for (const entry of this.#unacknowledged) {
      while (run && entry.sequence > run[1]) run = runs.next().value;
      if (!run && early.length === RUNS_MAX) break; // there may be more runs than were told
      const isHere = run && entry.sequence >= run[0];
      if (!isHere && !entry.isLost && entry.number <= entry.path.echoed) lost.push(entry);
    }
    return lost;
  }

  #receiveRecord(path: Path, sequence: number, record: Early, now: number): void {
    const ahead = sequence - this.#received - 1;
    if (ahead > 0 && ahead < WINDOW_RECORDS && !this.#early.has(sequence)) {
      this.#keepEarly(path, sequence, record, now);
    } else if (ahead === 0) {
      for (let next: Early | undefined = record; next; next = this.#takeEarly()) this.#deliver(next);
    }
  }

  /** A record came before its turn: the first of these is told at once, as something may be lost. */
  #keepEarly(path: Path, sequence: number, record: Early, now: number): void {
    const bytes = this.#earlyBytes + record.body.length;
    if (bytes > EARLY_BYTES_MAX) return;
    if (!this.#early.size) path.ackDue = now;
    this.#early.set(sequence, record);
    this.#earlyBytes = bytes;
  }

  /** The record whose turn is next, if it is here. */
  #takeEarly(): Early | undefined {
    const record = this.#early.get(this.#received + 1);
    if (!record) return;
    this.#early.delete(this.#received + 1);
    this.#earlyBytes -= record.body.length;
    return record;
  }

  /** Of the early records, up to RUNS_MAX times how many are missing and how many are here then. */
  #gapsAndRuns(): number[] {
    const numbers: number[] = [];
    let left = this.#early.size;
    // All of them are within the window: to look at every place in it costs less than to sort them.
    for (let at = this.#received + 1; left > 0 && numbers.length < 2 * RUNS_MAX; ) {
      const gap = at;
      while (!this.#early.has(at)) at++;
      const first = at;
      while (this.#early.has(at)) at++;
      numbers.push(first - gap, at - first);
      left -= at - first;
    }
    return numbers;
  }

  #receiveLossy(sequence: number, isText: boolean, data: Uint8Array): void {
    if (sequence <= this.#lossyReceived) return;
    this.#lossyReceived = sequence;
    this.#emit({ effect: "delivered", data, isText, reliable: false });
  }

  #deliver({ kind, body }: Early): void {
    this.#received++;
    if (kind < RecordKind.StreamOpen) this.#receiveMessage(kind, body);
    else this.#receiveOfStream(kind, new Reader(body));
  }

  #receiveMessage(kind: RecordKind, body: Uint8Array): void {
    const isText = kind < RecordKind.Binary;
    if (this.#messageBytes && isText !== this.#isText) throw protocolError("invalid_frame");
    this.#isText = isText;
    const isLast = kind === RecordKind.TextEnd || kind === RecordKind.BinaryEnd;
    const data = isLast && !this.#messageBytes ? body : this.#append(body);
    if (!isLast) return;
    this.#message = new Uint8Array();
    this.#messageBytes = 0;
    this.#emit({ effect: "delivered", data, isText, reliable: true });
  }

  /**
   * Puts a piece behind those of its message. A buffer that at least doubles: a message may come a byte at a time, and
   * neither may it be copied as often, nor kept as so many pieces.
   */
  #append(piece: Uint8Array): Uint8Array {
    const size = this.#messageBytes + piece.length;
    if (size > MESSAGE_BYTES_MAX) throw protocolError("message_too_big");
    if (size > this.#message.length) this.#message = join(this.#message, new Uint8Array(size));
    this.#message.set(piece, this.#messageBytes);
    this.#messageBytes = size;
    return this.#message.subarray(0, size);
  }

  // Streams.

  #receiveOfStream(kind: RecordKind, reader: Reader): void {
    const stream = reader.varint();
    if (kind === RecordKind.StreamOpen) {
      this.#streamOpened(stream, reader);
      return;
    }
    // One that is over is known too: what was on its way still comes.
    const last = this.#isOurs(stream) ? this.#nextStream - 2 : this.#lastPeerStream;
    if (stream > last) throw protocolError("invalid_stream");
    if (kind === RecordKind.StreamData) this.#streamData(stream, reader.rest());
    else if (kind === RecordKind.StreamCredit) this.#outgoing.allow(stream, reader.varint());
    else if (kind === RecordKind.StreamStop) this.#streamStopped(stream, reader.varint());
    else this.#streamEnded(stream, kind === RecordKind.StreamReset ? reader.varint() : null);
  }

  #streamOpened(stream: number, reader: Reader): void {
    if (stream <= this.#lastPeerStream || this.#isOurs(stream)) throw protocolError("invalid_stream");
    if (reader.rest().length > LABEL_BYTES_MAX) throw protocolError("invalid_label");
    this.#lastPeerStream = stream;
    if (this.#countStreams(stream) >= STREAMS_MAX) {
      if (this.#outgoing.controlCount > REFUSALS_MAX) throw protocolError("too_many_streams");
      this.#outgoing.put(RecordKind.StreamStop, stream, [0]);
      this.#outgoing.put(RecordKind.StreamReset, stream, [0]);
      return;
    }
    this.#emit({ effect: "stream-opened", stream, label: reader.text() });
    this.#openHalves(stream);
  }

  #openHalves(stream: number): void {
    const credit = STREAM_CREDIT_BYTES;
    this.#reading.set(stream, { received: 0, consumed: 0, allowed: credit, credit });
    this.#outgoing.open(stream, credit);
  }

  #streamData(stream: number, data: Uint8Array): void {
    const reading = this.#reading.get(stream);
    if (!reading) return; // it was stopped
    reading.received += data.length;
    if (reading.received > reading.allowed) throw protocolError("too_much_data");
    this.#emit({ effect: "stream-data", stream, data });
  }

  /** `reason` is null if all is written. */
  #streamEnded(stream: number, reason: number | null): void {
    if (!this.#reading.delete(stream)) return;
    this.#emit(
      reason === null ? { effect: "stream-ended", stream } : { effect: "stream-reset", stream, reason },
    );
  }

  #streamStopped(stream: number, reason: number): void {
    if (!this.#outgoing.drop(stream)) return;
    this.#outgoing.put(RecordKind.StreamReset, stream, varint(reason));
    this.#emit({ effect: "stream-stopped", stream, reason });
  }

  /** How many of the same side are open. */
  #countStreams(like: number): number {
    const open = new Set([...this.#reading.keys(), ...this.#outgoing.streams]);
    return [...open].filter((each) => each % 2 === like % 2).length;
  }

  #isOurs(stream: number): boolean {
    return stream % 2 === this.#nextStream % 2;
  }
}

function checkReason(reason: number): void {
  if (!Number.isInteger(reason) || reason < 0 || reason > REASON_MAX)
    throw new SheetbendError("invalid_reason", `A reason is a whole number from 0 to ${REASON_MAX}.`);
}

function checkSize(what: string, data: Uint8Array, bytesMax: number, code = "message_too_big"): void {
  if (data.length > bytesMax) throw new SheetbendError(code, `A ${what} has up to ${bytesMax} bytes.`);
}
