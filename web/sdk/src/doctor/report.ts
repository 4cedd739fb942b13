/** What the doctor found, in the shape that both languages give it as JSON (docs/doctor.md). */

export type CheckId =
  | "http"
  | "websocket"
  | "relay"
  | "stun"
  | "nat"
  | "direct"
  | "turn_udp"
  | "turn_tcp"
  | "turn_tls";

/** In the order of a report. */
export const CHECK_IDS: readonly CheckId[] = [
  "http",
  "websocket",
  "relay",
  "stun",
  "nat",
  "direct",
  "turn_udp",
  "turn_tcp",
  "turn_tls",
];

export type CheckStatus = "ok" | "failed" | "skipped";

/** Free facts about a check, as JSON. */
export type Detail = { readonly [key: string]: unknown };

/** One way that was tried. */
export interface Check {
  readonly id: CheckId;
  readonly status: CheckStatus;
  /** What it took; null if it was skipped. */
  readonly ms: number | null;
  /** Why not, or which; null where there is nothing to add. */
  readonly code: string | null;
  /** The same for people. */
  readonly note: string;
  readonly detail: Detail;
}

export type VerdictCode =
  | "all_well"
  | "turn_needed"
  | "turn_over_tcp"
  | "stun_unreachable"
  | "turn_missing"
  | "turn_broken"
  | "direct_blocked"
  | "webrtc_blocked"
  | "webrtc_missing"
  | "udp_blocked"
  | "no_ice_servers"
  | "relay_broken"
  | "nothing_through"
  | "token_needed"
  | "server_busy"
  | "certificate_refused"
  | "websocket_blocked"
  | "not_sheetbend"
  | "server_unreachable";

/** What the checks mean together. */
export interface Verdict {
  readonly code: VerdictCode;
  /** Calls will work, directly or by TURN. */
  readonly ok: boolean;
  readonly sentence: string;
  readonly advice: readonly string[];
}

/** Has addresses in it, but no token and no credentials. */
export interface Report {
  readonly version: 1;
  /** The server's WebSocket. */
  readonly url: string;
  /** The program that tried. */
  readonly by: string;
  /** The server's name and version; null if it wasn't reached. */
  readonly server: string | null;
  /** In UTC, ISO 8601. */
  readonly startedAt: string;
  readonly tookMs: number;
  readonly checks: readonly Check[];
  readonly verdict: Verdict;
}
