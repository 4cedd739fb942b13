/**
 * One path of a link: whether it answers, and how fast.
 *
 * Frames that want an answer are numbered on each path, and an acknowledgement says which number it has seen. So
 * silence is noticed on each path by itself, after a few round trips, whatever the path says about itself; and as a
 * path keeps its order, an answer to a later frame shows that an earlier one is lost.
 */

import type { PathName } from "./effects.js";

/** The time of what isn't going to happen. */
export const NEVER = Number.POSITIVE_INFINITY;

/** For how long an acknowledgement waits for more to acknowledge. */
const ACK_DELAY_S = 0.01;
const QUIET_MIN_S = 0.1;
const QUIET_MAX_S = 1.5;
/** Before the first round trip is known. */
const QUIET_UNKNOWN_S = 0.6;
/** A quiet path is asked at intervals that double between these. */
const PING_MIN_S = 0.1;
const PING_MAX_S = 1;
/** How long a path that failed must have answered before it is used again; doubles with each failure. */
const HOLD_MIN_S = 0.25;
const HOLD_MAX_S = 0.5;
/** A path that answers so soon after it fell quiet hasn't failed: it was late, as under loss, or its timers were. */
const HICCUP_S = 0.25;
/** After so long without a failure the next one counts as the first. */
const FORGIVEN_S = 30;

/** Times are seconds on any clock. */
export class Path {
  readonly name: PathName;
  /** Whether there is a transport. */
  isUp = false;
  /** Whether the transport takes more. */
  isReady = true;
  /** Whether it has answered since it is up. */
  isProven = false;
  /** Whether it ought to have answered by now and didn't. */
  isQuiet = false;
  /** The number of the last frame that wants an answer. */
  sent = 0;
  /** The largest that was answered. */
  echoed = 0;
  /** The largest number that came in. */
  received = 0;
  receivedAt = 0;
  /** What came in since the last acknowledgement went out. */
  unansweredBytes = 0;
  ackDue = NEVER;
  /** Bytes of records that were sent here and may still be on their way. */
  inFlight = 0;
  rttS: number | null = null;
  /** Since when it answers, or when it failed. */
  goodSince = 0;
  #fellQuietAt = 0;
  #goodBefore = 0;
  pingAt = NEVER;
  /** Numbers and sizes of the records on their way. */
  #onWay: [number: number, size: number][] = [];
  #rttVariationS = 0;
  #failures = 0;
  #backoffS = PING_MIN_S;
  #pingedAt = 0;
  #waitingSince = NEVER;
  /** The frame whose answer will be timed, and when it was sent. */
  #sample: [number: number, at: number] | null = null;

  constructor(name: PathName) {
    this.name = name;
  }

  /**
   * When it is quiet if nothing comes; `NEVER` if nothing has to, or it is already. A frame may go unanswered for
   * less than RFC 6298 allows, as to be wrong costs little, but not for less than late timers need.
   */
  get quietAt(): number {
    if (this.isQuiet) return NEVER;
    if (this.rttS === null) return this.#waitingSince + QUIET_UNKNOWN_S;
    const expectedS = this.rttS + 2 * this.#rttVariationS + ACK_DELAY_S;
    return this.#waitingSince + Math.min(QUIET_MAX_S, Math.max(QUIET_MIN_S, expectedS));
  }

  /** From when on it is to be trusted, if it goes on to answer. */
  get trustedAt(): number {
    if (this.#failures === 0) return this.goodSince;
    return this.goodSince + Math.min(HOLD_MAX_S, HOLD_MIN_S * 2 ** (this.#failures - 1));
  }

  /** There is a transport, or another one than before. */
  up(): void {
    this.#forgetTransport();
    this.isUp = this.isReady = true;
    this.#backoffS = PING_MIN_S;
  }

  down(now: number): void {
    this.#forgetTransport();
    this.ackDue = NEVER;
    this.#countFailure(now);
  }

  /** Numbers a frame that is being sent, with a record of `size` bytes. */
  nextNumber(now: number, size = 0): number {
    this.sent++;
    if (size > 0) {
      this.#onWay.push([this.sent, size]);
      this.inFlight += size;
    }
    if (this.#waitingSince === NEVER) this.#waitingSince = now;
    this.#sample ??= [this.sent, now];
    return this.sent;
  }

  /** A numbered frame came in. */
  arrived(number: number, size: number, now: number): void {
    if (number > this.received) {
      this.received = number;
      this.receivedAt = now;
    }
    this.unansweredBytes += size;
    if (this.ackDue === NEVER) this.ackDue = now + ACK_DELAY_S;
  }

  /** An acknowledgement came in. */
  answered(echo: number, delayS: number, now: number): void {
    if (echo <= this.echoed || !this.isUp) return;
    this.echoed = echo;
    let arrived = 0;
    for (const [number, size] of this.#onWay) {
      if (number > echo) break;
      this.inFlight -= size;
      arrived++;
    }
    this.#onWay.splice(0, arrived);
    if (this.#sample !== null && echo >= this.#sample[0]) {
      this.#measure(Math.max(0, now - this.#sample[1] - delayS));
      this.#sample = null;
    }
    this.#waitingSince = this.sent > echo ? now : NEVER;
    if (this.isProven && !this.isQuiet) return;
    this.goodSince = now;
    if (this.isQuiet && now <= this.#fellQuietAt + HICCUP_S) {
      this.#failures--;
      this.goodSince = this.#goodBefore;
    }
    this.isProven = true;
    this.isQuiet = false;
    this.pingAt = NEVER;
    this.#backoffS = PING_MIN_S;
  }

  /** It should have answered by now. */
  fellQuiet(now: number): void {
    this.isQuiet = true;
    this.#sample = null;
    this.pingAt = now;
    this.#fellQuietAt = now;
    this.#goodBefore = this.goodSince;
    this.#countFailure(now);
  }

  /** Something came in, so that a quiet path works one way at least: asks soon whether it does both ways. */
  lives(): void {
    if (this.isQuiet) this.pingAt = Math.min(this.pingAt, this.#pingedAt + PING_MIN_S);
  }

  /** Plans the next ping of a quiet path. */
  pinged(now: number): void {
    this.#pingedAt = now;
    this.pingAt = now + this.#backoffS;
    this.#backoffS = Math.min(PING_MAX_S, 2 * this.#backoffS);
  }

  #forgetTransport(): void {
    this.isUp = this.isProven = this.isQuiet = false;
    this.#waitingSince = this.pingAt = NEVER;
    this.#sample = null;
    this.#onWay = [];
    this.inFlight = 0;
  }

  #countFailure(now: number): void {
    if (now - this.goodSince > FORGIVEN_S) this.#failures = 0;
    this.#failures++;
    this.goodSince = now;
  }

  /**
   * As RFC 6298 section 2, but quick to believe in less and slow in more: a path that hung once isn't a slow one.
   */
  #measure(measuredS: number): void {
    if (this.rttS === null) {
      this.rttS = measuredS;
      this.#rttVariationS = measuredS / 2;
      return;
    }
    const rttS = Math.min(measuredS, 2 * this.rttS + QUIET_MIN_S);
    const gain = rttS < this.rttS ? 0.5 : 0.125;
    this.#rttVariationS = (1 - gain) * this.#rttVariationS + gain * Math.abs(this.rttS - rttS);
    this.rttS = (1 - gain) * this.rttS + gain * rttS;
  }
}
