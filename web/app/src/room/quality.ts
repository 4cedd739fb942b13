/** How the connection to one member does: what the figures say, as one of three words. */

import type { Path } from "sheetbend";

export type Grade = "good" | "fair" | "poor";

export interface Quality {
  path: Path;
  /** Null until it is known. */
  rttMs: number | null;
  /** Of what they sent of sound and pictures, what got lost since the figures before; null without media. */
  lossShare: number | null;
  grade: Grade;
}

/** What was counted of incoming media. */
export interface Received {
  packets: number;
  lost: number;
}

/** A talk is at ease up to the first, and a strain beyond the second (ITU-T G.114, one way and back). */
const GOOD_RTT_MS = 300;
const FAIR_RTT_MS = 800;
const GOOD_LOSS = 0.02;
const FAIR_LOSS = 0.08;

export const PATH_WORDS: Readonly<Record<Path, string>> = {
  direct: "Direct",
  turn: "Through TURN",
  relay: "Through the server",
};

export function gradeOf(rttMs: number | null, lossShare: number | null): Grade {
  const rtt = rttMs ?? 0;
  const loss = lossShare ?? 0;
  if (rtt <= GOOD_RTT_MS && loss <= GOOD_LOSS) return "good";
  return rtt <= FAIR_RTT_MS && loss <= FAIR_LOSS ? "fair" : "poor";
}

/** What a report of statistics counts of incoming media, all together. */
export function receivedIn(report: RTCStatsReport): Received {
  const received = { packets: 0, lost: 0 };
  for (const stats of report.values()) {
    if (stats.type !== "inbound-rtp") continue;
    received.packets += stats.packetsReceived ?? 0;
    received.lost += Math.max(0, stats.packetsLost ?? 0);
  }
  return received;
}

/** The share of what should have come between the two; null if that is nothing. */
export function lossBetween(before: Received, now: Received): number | null {
  const packets = now.packets - before.packets;
  const lost = Math.max(0, now.lost - before.lost);
  return packets > 0 ? lost / (packets + lost) : null;
}
