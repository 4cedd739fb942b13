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

import { encoder, join } from "../bytes.js";
import { SheetbendError } from "../errors.js";
import type { LinkEffect, PathName } from "./effects.js";
import {
  check,
  encodeFrame,
  FrameKind,
  protocolError,
  Reader,
  RecordKind,
  RUNS_MAX,
  type Run,
} from "./frames.js";
import { BODY_BYTES, BODY_BYTES_MAX, createOutgoing, MESSAGE_OVERHEAD_BYTES } from "./outgoing.js";
import { createPath, NEVER, type Path } from "./path.js";

/** Of a reliable message; longer things are streams. */
export const MESSAGE_BYTES_MAX = 1 << 20;
export const LOSSY_BYTES_MAX = BODY_BYTES;
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
  readonly kind: number;
  readonly body: Uint8Array;
}

/** The receiving half of a stream. */
interface Reading {
  received: number;
  consumed: number;
  allowed: number;
  credit: number;
}

export type Link = ReturnType<typeof createLink>;

/** One end of a link. `isFirst` is true for one of the two: its streams have odd numbers, the other's even ones. */
export function createLink({ isFirst }: { isFirst: boolean }) {
  const relay = createPath("relay");
  const direct = createPath("direct");
  const paths = [relay, direct];
  let active: Path | null = null;
  let effects: LinkEffect[] = [];
  let isBroken = false;

  const outgoing = createOutgoing((stream) => emit({ effect: "stream-drained", stream }));
  /** Of the last record that was sent. */
  let lastSequence = 0;
  const unacknowledged: Entry[] = [];
  let unacknowledgedBytes = 0;
  /** To be sent again, in order. */
  let toResend: Entry[] = [];
  /** Those whose last record was. */
  let messagesSent = 0;
  let lossySent = 0;
  /** When a numbered frame went over the path in use. */
  let sentAt = 0;

  /** All records up to this one are here. */
  let received = 0;
  /** Those behind a gap. */
  const waiting = new Map<number, Early>();
  let earlyBytes = 0;
  let lossyReceived = 0;
  /** The message that isn't complete: its bytes so far, and place for more. */
  let partial = new Uint8Array();
  let partialBytes = 0;
  let isPartialText = false;

  let nextStream = isFirst ? 1 : 2;
  let lastPeerStream = isFirst ? 0 : -1;
  const readings = new Map<number, Reading>();

  // What it is asked.

  /** When `tick` has something to do; null for not yet. */
  function nextDeadline(): number | null {
    if (isBroken) return null;
    let at = idleAt();
    for (const path of paths) {
      at = Math.min(at, path.quietAt());
      if (path.isUp && path.isReady) at = Math.min(at, path.ackDue, path.pingAt);
    }
    if (active === relay && answers(direct)) at = Math.min(at, direct.trustedAt());
    return at === NEVER ? null : at;
  }

  // What happens to it.

  /** A path has a transport now, or another one than before. What was on its way on the old one may be lost. */
  function pathUp(name: PathName, now: number): LinkEffect[] {
    const path = pathOf(name);
    if (path.isUp) path.down(now);
    path.up();
    giveUpOn(path);
    ping(path, now);
    return goOn(now);
  }

  /** A path has no transport any more. */
  function pathDown(name: PathName, now: number): LinkEffect[] {
    const path = pathOf(name);
    if (path.isUp) {
      path.down(now);
      giveUpOn(path);
    }
    return goOn(now);
  }

  /** The transport of a path takes more, or had better be given no more for now. */
  function pathReady(name: PathName, isReady: boolean, now: number): LinkEffect[] {
    pathOf(name).isReady = isReady;
    return goOn(now);
  }

  /** A frame came in. What it brings shares its memory. */
  function receive(name: PathName, frame: Uint8Array, now: number): LinkEffect[] {
    if (isBroken) return [];
    const path = pathOf(name);
    try {
      check(frame.length <= FRAME_BYTES_MAX);
      const reader = new Reader(frame);
      receivers[reader.byte(FrameKind.Lossy)]?.(path, reader.varint(), reader, now);
      path.lives();
    } catch (error) {
      if (!(error instanceof SheetbendError)) throw error;
      emit({ effect: "broken", code: error.code });
      isBroken = true;
    }
    return goOn(now);
  }

  /** Time has passed. */
  function tick(now: number): LinkEffect[] {
    for (const path of paths) {
      if (now >= path.quietAt()) {
        path.fellQuiet(now);
        giveUpOn(path);
      }
    }
    if (now >= idleAt()) ping(direct, now);
    return goOn(now);
  }

  // What the application wants.

  /**
   * Sends a reliable message. `data` must not be changed while it waits.
   *
   * @throws SheetbendError `message_too_big`, `too_many_pending`, `link_broken`
   */
  function send(data: Uint8Array, isText: boolean, now: number): LinkEffect[] {
    if (isBroken) throw protocolError("link_broken");
    checkSize("message", data, MESSAGE_BYTES_MAX);
    if (outgoing.messagesBytes + data.length + MESSAGE_OVERHEAD_BYTES > PENDING_BYTES_MAX)
      throw new SheetbendError("too_many_pending", `${PENDING_BYTES_MAX} bytes of messages wait already.`);
    outgoing.putMessage(data, isText);
    return goOn(now);
  }

  /**
   * Sends a message once, if there is a path that takes it now.
   *
   * @throws SheetbendError `message_too_big`
   */
  function sendLossy(data: Uint8Array, isText: boolean, now: number): LinkEffect[] {
    checkSize("lossy message", data, LOSSY_BYTES_MAX);
    if (active?.isReady && !isBroken) transmit(active, FrameKind.Lossy, [++lossySent, Number(isText)], data);
    return goOn(now);
  }

  /**
   * Opens a stream, which both sides can write to. Returns its number besides.
   *
   * @throws SheetbendError `invalid_label`, `too_many_streams`
   */
  function openStream(label: string, now: number): [number, LinkEffect[]] {
    const encoded = encoder.encode(label);
    checkSize("label", encoded, LABEL_BYTES_MAX, "invalid_label");
    const stream = nextStream;
    if (countStreams(stream) >= STREAMS_MAX)
      throw new SheetbendError("too_many_streams", `${STREAMS_MAX} streams are open.`);
    nextStream += 2;
    outgoing.control.push(encodeFrame(RecordKind.StreamOpen, [stream], encoded));
    openHalves(stream);
    return [stream, goOn(now)];
  }

  /**
   * Writes to a stream. Returns besides whether there is place for more; if not, `stream-drained` will say so. What is
   * written to a stream that is finished, reset or stopped goes nowhere. `data` must not be changed while it waits.
   */
  function write(stream: number, data: Uint8Array, now: number): [boolean, LinkEffect[]] {
    const hasPlace = isBroken || outgoing.write(stream, data);
    return [hasPlace, goOn(now)];
  }

  /** Says that all is written. */
  function finish(stream: number, now: number): LinkEffect[] {
    outgoing.finish(stream);
    return goOn(now);
  }

  /**
   * Gives up writing; what waits isn't sent.
   *
   * @throws SheetbendError `invalid_reason` unless `reason` is a whole number below 2^30
   */
  function reset(stream: number, reason: number, now: number): LinkEffect[] {
    checkReason(reason);
    giveUpWriting(stream, reason);
    return goOn(now);
  }

  /**
   * Wants no more of a stream; what still comes is dropped.
   *
   * @throws SheetbendError `invalid_reason` as `reset`
   */
  function stop(stream: number, reason: number, now: number): LinkEffect[] {
    checkReason(reason);
    if (readings.delete(stream)) put(RecordKind.StreamStop, stream, reason);
    return goOn(now);
  }

  /** `size` more bytes of a stream were used, so that the other side may send as many more. */
  function consume(stream: number, size: number, now: number): LinkEffect[] {
    const reading = readings.get(stream);
    if (!reading) return [];
    reading.consumed += size;
    if (reading.allowed - reading.consumed > reading.credit / 2) return [];
    if (reading.consumed === reading.received)
      reading.credit = Math.min(2 * reading.credit, STREAM_CREDIT_BYTES_MAX);
    reading.allowed = reading.consumed + reading.credit;
    put(RecordKind.StreamCredit, stream, reading.allowed);
    return goOn(now);
  }

  // Sending.

  /** Chooses the path, sends what can be sent, and hands over the effects. */
  function goOn(now: number): LinkEffect[] {
    if (!isBroken) {
      choose(now);
      flush(now);
      for (const path of paths) if (path.isUp && path.isReady) askAndAnswer(path, now);
    }
    const due = effects;
    effects = [];
    return due;
  }

  function askAndAnswer(path: Path, now: number): void {
    if (now >= path.pingAt) {
      ping(path, now);
      path.pinged(now);
    }
    const isMuch = path.unansweredBytes >= WINDOW_BYTES[path.name] / ACKS_A_WINDOW;
    if (path.ackDue === NEVER || (now < path.ackDue && !isMuch)) return;
    const delayMs = Math.trunc((now - path.receivedAt) * 1000);
    path.ackDue = NEVER;
    path.unansweredBytes = 0;
    transmit(path, FrameKind.Ack, [path.received, delayMs, received, ...gapsAndRuns()]);
  }

  /**
   * Takes the direct path if it answers and is to be trusted, else the relay; of two that don't answer, the one in use.
   */
  function choose(now: number): void {
    const best = bestPath(now);
    if (best === active) return;
    active = best;
    sentAt = now;
    emit({ effect: "path", path: best?.name ?? null });
    const other = best && otherThan(best);
    if (other && (other.isQuiet || !other.isUp)) giveUpOn(other);
  }

  function bestPath(now: number): Path | null {
    if (answers(relay)) return answers(direct) && now >= direct.trustedAt() ? direct : relay;
    if (answers(direct)) return direct;
    if (active?.isUp) return active;
    return paths.find(({ isUp }) => isUp) ?? null;
  }

  /** Whether it may be used. The relay is believed in before it has answered. */
  function answers(path: Path): boolean {
    return path.isUp && !path.isQuiet && (path.isProven || path === relay);
  }

  /** When a direct path in use is asked whether it lives. */
  function idleAt(): number {
    const isAsked = active === direct && direct.isReady && !direct.isQuiet;
    return isAsked ? sentAt + IDLE_PING_S : NEVER;
  }

  /** What is on its way on `path` goes over another, if there is one that answers (or a fresh one of its own). */
  function giveUpOn(path: Path): void {
    if (path.isQuiet && !answers(otherThan(path))) return;
    lose(unacknowledged.filter((entry) => entry.path === path && !entry.isLost));
  }

  function pathOf(name: PathName): Path {
    return name === "direct" ? direct : relay;
  }

  function otherThan(path: Path): Path {
    return path === direct ? relay : direct;
  }

  /** Sends these again, before anything newer. */
  function lose(entries: readonly Entry[]): void {
    if (entries.length === 0) return;
    for (const entry of entries) entry.isLost = true;
    toResend = [...toResend, ...entries].sort((one, other) => one.sequence - other.sequence);
  }

  function flush(now: number): void {
    const path = active;
    if (!path) return;
    while (path.isReady && path.inFlight < WINDOW_BYTES[path.name]) {
      const entry = toResend.shift() ?? nextNew(path);
      if (!entry) return;
      entry.path = path;
      entry.isLost = false;
      entry.number = path.nextNumber(now, entry.record.length);
      sentAt = now;
      const { number, sequence, record } = entry;
      transmit(path, FrameKind.Record, [number, sequence], record);
    }
  }

  function nextNew(path: Path): Entry | undefined {
    if (unacknowledgedBytes >= UNACKNOWLEDGED_BYTES_MAX || unacknowledged.length >= WINDOW_RECORDS) return;
    const record = outgoing.next(path.isFast ? BODY_BYTES_MAX : BODY_BYTES);
    if (!record) return;
    unacknowledgedBytes += record.length;
    const entry = {
      sequence: ++lastSequence,
      record,
      message: endsMessage(record[0]) ? ++messagesSent : null,
      path,
      number: 0,
      isLost: false,
      losses: 0,
    };
    unacknowledged.push(entry);
    return entry;
  }

  function ping(path: Path, now: number): void {
    if (path === active) sentAt = now;
    transmit(path, FrameKind.Ping, [path.nextNumber(now)]);
  }

  function transmit(path: Path, kind: number, numbers: number[], body: ArrayLike<number> = []): void {
    const frame = encodeFrame(kind, numbers, body);
    emit({ effect: "transmit", path: path.name, frame, lossy: kind === FrameKind.Lossy });
  }

  function emit(effect: LinkEffect): void {
    if (!isBroken) effects.push(effect);
  }

  // Receiving.

  /** By kind of frame. All of one is read before it is acted upon: one that can't be read does nothing. */
  const receivers = [receivePing, receiveAck, receiveRecord, receiveLossy];

  function receivePing(path: Path, number: number, reader: Reader, now: number): void {
    reader.end();
    path.arrived(number, 0, now);
    path.ackDue = now;
  }

  function receiveAck(path: Path, echo: number, reader: Reader, now: number): void {
    const delayS = reader.varint() / 1000;
    const cumulative = reader.varint();
    const runs = reader.runs(cumulative);
    check(echo <= path.sent && cumulative <= lastSequence, "invalid_ack");
    const isLater = echo > path.echoed;
    path.answered(echo, delayS, now);
    forgetUpTo(cumulative);
    if (isLater) loseGaps(runs);
  }

  function receiveRecord(path: Path, number: number, reader: Reader, now: number): void {
    const sequence = reader.varint();
    const record = { kind: reader.recordKind(), body: reader.rest() };
    path.arrived(number, reader.size, now);
    const ahead = sequence - received - 1;
    if (ahead > 0 && ahead < WINDOW_RECORDS && !waiting.has(sequence)) {
      keepEarly(path, sequence, record, now);
    } else if (ahead === 0) {
      for (let next: Early | undefined = record; next; next = takeEarly()) deliver(next);
    }
  }

  function receiveLossy(_path: Path, sequence: number, reader: Reader): void {
    const isText = reader.byte(1) === 1;
    if (sequence <= lossyReceived) return;
    lossyReceived = sequence;
    emit({ effect: "delivered", data: reader.rest(), isText, reliable: false });
  }

  /** These have arrived. */
  function forgetUpTo(cumulative: number): void {
    let message: number | null = null;
    let arrived = 0;
    for (const entry of unacknowledged) {
      if (entry.sequence > cumulative) break;
      unacknowledgedBytes -= entry.record.length;
      message = entry.message ?? message;
      arrived++;
    }
    unacknowledged.splice(0, arrived);
    toResend = toResend.filter(({ sequence }) => sequence > cumulative);
    if (message) emit({ effect: "acknowledged", message });
  }

  /** What went over a path before a frame that is answered, and isn't there, is lost: a path keeps its order. */
  function loseGaps(early: readonly Run[]): void {
    const lost: Entry[] = [];
    const runs = early.values();
    let run: Run | undefined = runs.next().value;
    for (const entry of unacknowledged) {
      while (run && entry.sequence > run[1]) run = runs.next().value;
      if (!run && early.length === RUNS_MAX) break; // there may be more runs than were told
      const isHere = run && entry.sequence >= run[0];
      if (!isHere && !entry.isLost && entry.number <= entry.path.echoed) lost.push(entry);
    }
    for (const entry of lost) check(++entry.losses <= LOSSES_MAX, "too_many_losses");
    lose(lost);
  }

  /** A record came before its turn: the first of these is told at once, as something may be lost. */
  function keepEarly(path: Path, sequence: number, record: Early, now: number): void {
    const bytes = earlyBytes + record.body.length;
    if (bytes > EARLY_BYTES_MAX) return;
    if (!waiting.size) path.ackDue = now;
    waiting.set(sequence, record);
    earlyBytes = bytes;
  }

  /** The record whose turn is next, if it is here. */
  function takeEarly(): Early | undefined {
    const record = waiting.get(received + 1);
    if (!record) return;
    waiting.delete(received + 1);
    earlyBytes -= record.body.length;
    return record;
  }

  /** Of the early records, up to RUNS_MAX times how many are missing and how many are here then. */
  function gapsAndRuns(): number[] {
    const numbers: number[] = [];
    let left = waiting.size;
    // All of them are within the window: to look at every place in it costs less than to sort them.
    for (let at = received + 1; left > 0 && numbers.length < 2 * RUNS_MAX; ) {
      const gap = at;
      while (!waiting.has(at)) at++;
      const first = at;
      while (waiting.has(at)) at++;
      numbers.push(first - gap, at - first);
      left -= at - first;
    }
    return numbers;
  }

  function deliver({ kind, body }: Early): void {
    received++;
    if (kind < RecordKind.StreamOpen) receiveMessage(kind, body);
    else receiveOfStream(kind, new Reader(body));
  }

  function receiveMessage(kind: number, body: Uint8Array): void {
    const isText = kind < RecordKind.Binary;
    check(!partialBytes || isText === isPartialText);
    isPartialText = isText;
    const isLast = endsMessage(kind);
    const data = isLast && !partialBytes ? body : append(body);
    if (!isLast) return;
    partial = new Uint8Array();
    partialBytes = 0;
    emit({ effect: "delivered", data, isText, reliable: true });
  }

  /**
   * Puts a piece behind those of its message. A buffer that at least doubles: a message may come a byte at a time, and
   * neither may it be copied as often, nor kept as so many pieces.
   */
  function append(piece: Uint8Array): Uint8Array {
    const size = partialBytes + piece.length;
    check(size <= MESSAGE_BYTES_MAX, "message_too_big");
    if (size > partial.length) partial = join(partial, new Uint8Array(size));
    partial.set(piece, partialBytes);
    partialBytes = size;
    return partial.subarray(0, size);
  }

  // Streams.

  /** By kind of record, from `StreamOpen` on. */
  const streamReceivers = [streamOpened, streamData, streamEnded, streamReset, streamStopped, streamCredit];

  function receiveOfStream(kind: number, reader: Reader): void {
    const stream = reader.varint();
    // One that is over is known too: what was on its way still comes.
    const last = isOurs(stream) ? nextStream - 2 : lastPeerStream;
    check(stream <= last || kind === RecordKind.StreamOpen, "invalid_stream");
    streamReceivers[kind - RecordKind.StreamOpen]?.(stream, reader);
  }

  function streamOpened(stream: number, reader: Reader): void {
    check(stream > lastPeerStream && !isOurs(stream), "invalid_stream");
    check(reader.rest().length <= LABEL_BYTES_MAX, "invalid_label");
    lastPeerStream = stream;
    if (countStreams(stream) >= STREAMS_MAX) {
      check(outgoing.control.length <= REFUSALS_MAX, "too_many_streams");
      put(RecordKind.StreamStop, stream, 0);
      put(RecordKind.StreamReset, stream, 0);
      return;
    }
    emit({ effect: "stream-opened", stream, label: reader.text() });
    openHalves(stream);
  }

  function openHalves(stream: number): void {
    const credit = STREAM_CREDIT_BYTES;
    readings.set(stream, { received: 0, consumed: 0, allowed: credit, credit });
    outgoing.open(stream, credit);
  }

  function streamData(stream: number, reader: Reader): void {
    const reading = readings.get(stream);
    if (!reading) return; // it was stopped
    const data = reader.rest();
    reading.received += data.length;
    check(reading.received <= reading.allowed, "too_much_data");
    emit({ effect: "stream-data", stream, data });
  }

  function streamEnded(stream: number): void {
    if (readings.delete(stream)) emit({ effect: "stream-ended", stream });
  }

  function streamReset(stream: number, reader: Reader): void {
    const reason = reader.varint();
    if (readings.delete(stream)) emit({ effect: "stream-reset", stream, reason });
  }

  function streamStopped(stream: number, reader: Reader): void {
    const reason = reader.varint();
    if (giveUpWriting(stream, reason)) emit({ effect: "stream-stopped", stream, reason });
  }

  function streamCredit(stream: number, reader: Reader): void {
    outgoing.allow(stream, reader.varint());
  }

  /** Forgets what waits of a stream, and its sending half. Returns whether there was one. */
  function giveUpWriting(stream: number, reason: number): boolean {
    const hadHalf = outgoing.writings.delete(stream);
    if (hadHalf) put(RecordKind.StreamReset, stream, reason);
    return hadHalf;
  }

  /** Queues a record about a stream. */
  function put(kind: number, stream: number, number: number): void {
    outgoing.control.push(encodeFrame(kind, [stream, number]));
  }

  /** How many of the same side are open. */
  function countStreams(like: number): number {
    const open = new Set([...readings.keys(), ...outgoing.writings.keys()]);
    return [...open].filter((each) => each % 2 === like % 2).length;
  }

  function isOurs(stream: number): boolean {
    return stream % 2 === nextStream % 2;
  }

  return {
    relay,
    direct,
    /** Where what is sent goes now. */
    get path(): PathName | null {
      return active?.name ?? null;
    },
    nextDeadline,
    pathUp,
    pathDown,
    pathReady,
    receive,
    tick,
    send,
    sendLossy,
    openStream,
    write,
    finish,
    reset,
    stop,
    consume,
  };
}

function endsMessage(kind: number | undefined): boolean {
  return kind === RecordKind.TextEnd || kind === RecordKind.BinaryEnd;
}

function checkReason(reason: number): void {
  if (!Number.isInteger(reason) || reason < 0 || reason > REASON_MAX)
    throw new SheetbendError("invalid_reason", `A reason is a whole number from 0 to ${REASON_MAX}.`);
}

function checkSize(what: string, data: Uint8Array, bytesMax: number, code = "message_too_big"): void {
  if (data.length > bytesMax) throw new SheetbendError(code, `A ${what} has up to ${bytesMax} bytes.`);
}
