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
/** From here on a path is fast. */
const FAST_BYTES_S = 1 << 23;
/** A path that answers so soon after it fell quiet hasn't failed: it was late, as under loss, or its timers were. */
const HICCUP_S = 0.25;
/** After so long without a failure the next one counts as the first. */
const FORGIVEN_S = 30;

/** Times are seconds on any clock. */
export type Path = ReturnType<typeof createPath>;

export function createPath(name: PathName) {
  const path = {
    name,
    /** Whether there is a transport. */
    isUp: false,
    /** Whether the transport takes more. */
    isReady: true,
    /** Whether it has answered since it is up. */
    isProven: false,
    /** Whether it ought to have answered by now and didn't. */
    isQuiet: false,
    /** The number of the last frame that wants an answer. */
    sent: 0,
    /** The largest that was answered. */
    echoed: 0,
    /** The largest number that came in. */
    received: 0,
    receivedAt: 0,
    /** What came in since the last acknowledgement went out. */
    unansweredBytes: 0,
    ackDue: NEVER,
    /** Bytes of records that were sent here and may still be on their way. */
    inFlight: 0,
    /** Whether it has shown to carry large records at once. */
    isFast: false,
    pingAt: NEVER,
    get rttS() {
      return rttS;
    },
    quietAt,
    trustedAt,
    up,
    down,
    nextNumber,
    arrived,
    answered,
    fellQuiet,
    lives,
    pinged,
  };
  /** Since when it answers, or when it failed. */
  let goodSince = 0;
  let fellQuietAt = 0;
  let goodBefore = 0;
  /** Numbers and sizes of the records on their way. */
  let onWay: [number: number, size: number][] = [];
  let rttS: number | null = null;
  let rttVariationS = 0;
  let failures = 0;
  let backoffS = PING_MIN_S;
  let pingedAt = 0;
  let waitingSince = NEVER;
  /** The frame whose answer will be timed, when it was sent, and what was in flight then. */
  let sample: [number: number, at: number, inFlight: number] | null = null;

  /**
   * When it is quiet if nothing comes; `NEVER` if nothing has to, or it is already. A frame may go unanswered for
   * less than RFC 6298 allows, as to be wrong costs little, but not for less than late timers need.
   */
  function quietAt(): number {
    if (path.isQuiet) return NEVER;
    if (rttS === null) return waitingSince + QUIET_UNKNOWN_S;
    const expectedS = rttS + 2 * rttVariationS + ACK_DELAY_S;
    return waitingSince + Math.min(QUIET_MAX_S, Math.max(QUIET_MIN_S, expectedS));
  }

  /** From when on it is to be trusted, if it goes on to answer. */
  function trustedAt(): number {
    if (failures === 0) return goodSince;
    return goodSince + Math.min(HOLD_MAX_S, HOLD_MIN_S * 2 ** (failures - 1));
  }

  /** There is a transport, or another one than before. */
  function up(): void {
    forgetTransport();
    path.isUp = path.isReady = true;
    backoffS = PING_MIN_S;
  }

  function down(now: number): void {
    forgetTransport();
    path.ackDue = NEVER;
    countFailure(now);
  }

  /** Numbers a frame that is being sent, with a record of `size` bytes. */
  function nextNumber(now: number, size = 0): number {
    path.sent++;
    if (size) {
      onWay.push([path.sent, size]);
      path.inFlight += size;
    }
    if (waitingSince === NEVER) waitingSince = now;
    sample ??= [path.sent, now, path.inFlight];
    return path.sent;
  }

  /** A numbered frame came in. */
  function arrived(number: number, size: number, now: number): void {
    if (number > path.received) {
      path.received = number;
      path.receivedAt = now;
    }
    path.unansweredBytes += size;
    if (path.ackDue === NEVER) path.ackDue = now + ACK_DELAY_S;
  }

  /** An acknowledgement came in. */
  function answered(echo: number, delayS: number, now: number): void {
    if (echo <= path.echoed || !path.isUp) return;
    path.echoed = echo;
    let arrived = 0;
    for (const [number, size] of onWay) {
      if (number > echo) break;
      path.inFlight -= size;
      arrived++;
    }
    onWay.splice(0, arrived);
    if (sample && echo >= sample[0]) {
      const [, sentAt, inFlight] = sample;
      const measuredS = Math.max(0, now - sentAt - delayS);
      measure(measuredS);
      if (inFlight) path.isFast = name === "direct" && inFlight >= FAST_BYTES_S * measuredS;
      sample = null;
    }
    waitingSince = path.sent > echo ? now : NEVER;
    if (path.isProven && !path.isQuiet) return;
    goodSince = now;
    if (path.isQuiet && now <= fellQuietAt + HICCUP_S) {
      failures--;
      goodSince = goodBefore;
    }
    path.isProven = true;
    path.isQuiet = false;
    path.pingAt = NEVER;
    backoffS = PING_MIN_S;
  }

  /** It should have answered by now. */
  function fellQuiet(now: number): void {
    path.isQuiet = true;
    sample = null;
    path.pingAt = now;
    fellQuietAt = now;
    goodBefore = goodSince;
    countFailure(now);
  }

  /** Something came in, so that a quiet path works one way at least: asks soon whether it does both ways. */
  function lives(): void {
    if (path.isQuiet) path.pingAt = Math.min(path.pingAt, pingedAt + PING_MIN_S);
  }

  /** Plans the next ping of a quiet path. */
  function pinged(now: number): void {
    pingedAt = now;
    path.pingAt = now + backoffS;
    backoffS = Math.min(PING_MAX_S, 2 * backoffS);
  }

  function forgetTransport(): void {
    path.isUp = path.isProven = path.isQuiet = path.isFast = false;
    waitingSince = path.pingAt = NEVER;
    sample = null;
    onWay = [];
    path.inFlight = 0;
  }

  function countFailure(now: number): void {
    if (now - goodSince > FORGIVEN_S) failures = 0;
    failures++;
    goodSince = now;
  }

  /**
   * As RFC 6298 section 2, but quick to believe in less and slow in more: a path that hung once isn't a slow one.
   */
  function measure(measuredS: number): void {
    if (rttS === null) {
      rttS = measuredS;
      rttVariationS = measuredS / 2;
      return;
    }
    const believedS = Math.min(measuredS, 2 * rttS + QUIET_MIN_S);
    const gain = believedS < rttS ? 0.5 : 0.125;
    rttVariationS = (1 - gain) * rttVariationS + gain * Math.abs(rttS - believedS);
    rttS = (1 - gain) * rttS + gain * believedS;
  }

  return path;
}
