/** How the connection to one member does: figures of its path and of the media on it, and one of three words for them. */

import type { Path } from "sheetbend";

export type Grade = "good" | "fair" | "poor";

/** Of the sound and pictures that came between two readings; null where none did. */
export interface MediaFigures {
  /** Of what they sent. */
  lossShare: number | null;
  jitterMs: number | null;
  bitsPerS: number | null;
}

export interface Way {
  path: Path;
  /** Null until it is known. */
  rttMs: number | null;
}

export interface Quality extends Way, MediaFigures {
  /** Null until anything is known. */
  grade: Grade | null;
}

/** What was counted of incoming media by a time. */
export interface Received {
  atMs: number;
  packets: number;
  lost: number;
  bytes: number;
  /** Of the stream that has most. */
  jitterMs: number;
}

/** The grade that is shown, and the latest one. */
export interface Grading {
  shown: Grade | null;
  latest: Grade | null;
}

interface Bounds {
  rttMs: number;
  lossShare: number;
  jitterMs: number;
}

/** A talk is at ease up to the first, and a strain beyond the second (ITU-T G.114, one way and back). */
const GOOD: Bounds = { rttMs: 300, lossShare: 0.02, jitterMs: 40 };
const FAIR: Bounds = { rttMs: 800, lossShare: 0.08, jitterMs: 100 };

export const NO_MEDIA: MediaFigures = { lossShare: null, jitterMs: null, bitsPerS: null };
export const UNGRADED: Grading = { shown: null, latest: null };

export const PATH_WORDS: Readonly<Record<Path, string>> = {
  direct: "Direct",
  turn: "Through TURN",
  relay: "Through the server",
};

/** The worst figure counts; null where none is known. */
export function gradeOf(rttMs: number | null, { lossShare, jitterMs }: MediaFigures): Grade | null {
  if (rttMs === null && lossShare === null) return null;
  const within = (bounds: Bounds) =>
    (rttMs ?? 0) <= bounds.rttMs &&
    (lossShare ?? 0) <= bounds.lossShare &&
    (jitterMs ?? 0) <= bounds.jitterMs;
  if (within(GOOD)) return "good";
  return within(FAIR) ? "fair" : "poor";
}

/** Shows another grade only when two readings in a row say it, so that one bad moment makes nothing flicker. */
export function settled({ shown, latest }: Grading, grade: Grade | null): Grading {
  return { shown: shown === null || grade === latest ? grade : shown, latest: grade };
}

/** What a report of statistics counts of incoming media, all together. */
export function receivedIn(report: RTCStatsReport): Received {
  const received = { atMs: 0, packets: 0, lost: 0, bytes: 0, jitterMs: 0 };
  for (const stats of report.values()) {
    if (stats.type !== "inbound-rtp") continue;
    received.atMs = Math.max(received.atMs, stats.timestamp ?? 0);
    received.packets += stats.packetsReceived ?? 0;
    received.lost += Math.max(0, stats.packetsLost ?? 0);
    received.bytes += stats.bytesReceived ?? 0;
    received.jitterMs = Math.max(received.jitterMs, (stats.jitter ?? 0) * 1000);
  }
  return received;
}

/** How media go, as the peer connection says it: for members without keys, with whom there is no link that would know. */
export function wayIn(report: RTCStatsReport): Way | null {
  const all = [...report.values()];
  const selected = all.find((stats) => stats.type === "transport")?.selectedCandidatePairId;
  // Firefox marks the pair itself.
  const pair = all.find(
    ({ type, id, selected: isIt }) => type === "candidate-pair" && (id === selected || isIt),
  );
  if (pair === undefined) return null;
  const ends = all.filter(({ id }) => id === pair.localCandidateId || id === pair.remoteCandidateId);
  const isTurned = ends.some(({ candidateType }) => candidateType === "relay");
  const { currentRoundTripTime: rttS } = pair;
  return { path: isTurned ? "turn" : "direct", rttMs: rttS === undefined ? null : rttS * 1000 };
}

/** Counters that fell are those of another peer connection, and say nothing yet. */
export function mediaBetween(before: Received | null, now: Received): MediaFigures {
  const packets = now.packets - (before?.packets ?? 0);
  const seconds = (now.atMs - (before?.atMs ?? 0)) / 1000;
  if (before === null || packets <= 0 || seconds <= 0) return NO_MEDIA;
  const lost = Math.max(0, now.lost - before.lost);
  const bits = Math.max(0, now.bytes - before.bytes) * 8;
  return { lossShare: lost / (packets + lost), jitterMs: now.jitterMs, bitsPerS: bits / seconds };
}
