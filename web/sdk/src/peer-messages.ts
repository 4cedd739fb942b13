/**
 * What members say to each other through the server, inside `sdp` and `candidate`.
 *
 * All of it comes from strangers: each function returns null for what has not the right shape, and bounds the rest.
 */

import { isObject, isString } from "./messages.js";

/** A session description and the labels of its streams. */
export interface PeerDescription {
  type: "offer" | "answer";
  sdp: string;
  /** Labels by stream id. Null from a peer that doesn't know of labels, such as one of the `lesson` dialect. */
  labels: ReadonlyMap<string, string> | null;
  /** What shows it to be the member's, where the two have keys. */
  tag?: unknown;
}

export const STREAMS_MAX = 16;
export const LABEL_CHARS_MAX = 64;
const DEFAULT_LABEL = "camera";
const ID_CHARS_MAX = 256;

/** The `sdp` of an offer or answer. A plain string, which some beginners' clients send, takes the message's type. */
export function decodeDescription(type: PeerDescription["type"], value: unknown): PeerDescription | null {
  const fields = isString(value) ? { type, sdp: value } : value;
  if (!isObject(fields) || fields.type !== type) return null;
  const { sdp, streams, tag } = fields;
  return isString(sdp) ? { type, sdp, labels: decodeLabels(streams), tag } : null;
}

function decodeLabels(streams: unknown): ReadonlyMap<string, string> | null {
  return isObject(streams) ? new Map(Object.entries(streams).slice(0, STREAMS_MAX).filter(isLabelled)) : null;
}

function isLabelled(entry: [string, unknown]): entry is [string, string] {
  return entry[0].length <= ID_CHARS_MAX && isLabel(entry[1]);
}

/** Whether `label` can name a stream: 1 to 64 characters. */
export function isLabel(label: unknown): label is string {
  return isString(label) && label.length > 0 && label.length <= LABEL_CHARS_MAX;
}

/** The label of a stream; `camera` where the peer gave none. */
export function labelOf(labels: ReadonlyMap<string, string> | null, streamId: string): string {
  return labels?.get(streamId) ?? DEFAULT_LABEL;
}

/** An ICE candidate, or with `""` the end of them. */
export function decodeCandidate(value: unknown): RTCIceCandidateInit | null {
  if (!isObject(value) || !isString(value.candidate)) return null;
  const { candidate, sdpMid, sdpMLineIndex, usernameFragment } = value;
  return {
    candidate,
    sdpMid: isString(sdpMid) ? sdpMid : null,
    sdpMLineIndex: typeof sdpMLineIndex === "number" ? sdpMLineIndex : null,
    usernameFragment: isString(usernameFragment) ? usernameFragment : null,
  };
}

/**
 * The certificate fingerprints in a session description, in one string: what DTLS holds the other end to
 * (RFC 8122). One peer connection keeps one certificate for life.
 */
export function fingerprintOf(sdp: string | undefined): string {
  return [...new Set(sdp?.toLowerCase().match(/^a=fingerprint:.*\S/gm))].sort().join();
}
