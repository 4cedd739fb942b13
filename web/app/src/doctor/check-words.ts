/** What the checks are called on the page. */

import type { Check, CheckId } from "sheetbend/doctor";

export const CHECK_TITLES: Readonly<Record<CheckId, string>> = {
  http: "Pages of the server",
  websocket: "WebSocket",
  relay: "The server's relay",
  stun: "STUN",
  nat: "NAT",
  direct: "Direct data channel",
  turn_udp: "TURN over UDP",
  turn_tcp: "TURN over TCP",
  turn_tls: "TURN over TLS",
};

/** A state in a word; `running` until there is a check. */
export function stateOf(check: Check | undefined): keyof typeof STATE_WORDS {
  return check?.status ?? "running";
}

export const STATE_WORDS = {
  running: "Running",
  ok: "Works",
  failed: "Failed",
  skipped: "Not known",
} as const;
