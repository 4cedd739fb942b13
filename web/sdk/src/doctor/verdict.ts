/** From what was found to what it means: one rule in both languages, held to protocol/fixtures/doctor.json. */

import type { Check, CheckId, CheckStatus, Verdict, VerdictCode } from "./report.js";

/** What the rule looks at. */
export type Outcome = Pick<Check, "id" | "status" | "code">;

const OPEN_UDP = "If you run the server: open its UDP port as well, in its firewall and at the provider.";
const ASK_FOR_UDP = "Ask whoever runs this network to let UDP out, or try another network.";
const ADD_TURN = "If you run the server: --turn coturn brings a TURN server (docs/nat.md).";

const SAID: Readonly<Record<VerdictCode, Omit<Verdict, "code">>> = {
  all_well: {
    ok: true,
    sentence: "Everything works; calls will be direct wherever the other side allows it.",
    advice: [],
  },
  turn_needed: {
    ok: true,
    sentence:
      "Calls will work; with some people they go through the TURN server, because the NAT here is symmetric.",
    advice: [],
  },
  turn_over_tcp: {
    ok: true,
    sentence: "UDP is blocked here; calls will go through the TURN server.",
    advice: [`Sound and pictures may be late in bad moments. ${ASK_FOR_UDP}`],
  },
  stun_unreachable: {
    ok: true,
    sentence: "The STUN server doesn't answer; calls will go through the TURN server.",
    advice: [OPEN_UDP],
  },
  turn_missing: {
    ok: false,
    sentence:
      "The NAT here is symmetric and there is no TURN server that works; with some people only messages will go through.",
    advice: [ADD_TURN, "Try another network."],
  },
  turn_broken: {
    ok: false,
    sentence:
      "Direct calls will work, but the TURN server can't be used from here; in strict networks calls will fail.",
    advice: [
      "If you run the server: look at the failed TURN checks below, and at what its log says (docs/nat.md).",
    ],
  },
  direct_blocked: {
    ok: true,
    sentence: "No direct connection came about in this browser; calls will go through the TURN server.",
    advice: ["Look for a setting, policy or extension of the browser that hides addresses or blocks WebRTC."],
  },
  webrtc_blocked: {
    ok: false,
    sentence:
      "No direct connection came about in this browser, and there is no TURN server that works; only messages will go through.",
    advice: [
      "Look for a setting, policy or extension of the browser that hides addresses or blocks WebRTC.",
      ADD_TURN,
    ],
  },
  webrtc_missing: {
    ok: false,
    sentence: "This browser has no WebRTC; only messages will go through.",
    advice: ["Use a current browser, or look for a policy or extension that switches WebRTC off."],
  },
  udp_blocked: {
    ok: false,
    sentence: "UDP is blocked here; messages will go through the server, but sound and pictures need TURN.",
    advice: [ASK_FOR_UDP, `If everybody sees this, it is the server: i${OPEN_UDP.slice(1)}`, ADD_TURN],
  },
  no_ice_servers: {
    ok: false,
    sentence: "The server offers no STUN and no TURN; calls beyond one network will not be direct.",
    advice: [
      "If you run the server: look for stun_unavailable or ice_out_of_reach in its log (docs/nat.md).",
    ],
  },
  relay_broken: {
    ok: false,
    sentence:
      "Direct calls will work, but nothing comes through the server's own relay; others may be out of reach.",
    advice: ["If you run the server: let whatever stands in front of it pass binary WebSocket messages on."],
  },
  nothing_through: {
    ok: false,
    sentence: "UDP is blocked here and nothing comes through the server's own relay; calls will not work.",
    advice: [
      ASK_FOR_UDP,
      "If you run the server: let what stands in front of it pass binary WebSocket messages on.",
    ],
  },
  token_needed: {
    ok: false,
    sentence: "The server can be reached, but lets nobody in without a valid token.",
    advice: ["Give the doctor a token, so that it can look further."],
  },
  server_busy: {
    ok: false,
    sentence: "The server can be reached, but takes nobody in now.",
    advice: ["Try again in a minute."],
  },
  certificate_refused: {
    ok: false,
    sentence: "The server can be reached, but its certificate isn't trusted here.",
    advice: [
      "If you run the server: give it a certificate of a known authority; --tls auto makes one that nobody knows.",
    ],
  },
  websocket_blocked: {
    ok: false,
    sentence: "Pages of the server can be opened, but no WebSocket; nothing will work.",
    advice: [
      "Look for a proxy, firewall or virus scanner between here and the server that stops WebSockets.",
      "If you run the server behind a proxy: let it pass upgrades of /ws on, and name its origin with --allow-origin.",
    ],
  },
  not_sheetbend: {
    ok: false,
    sentence: "Something answers at this address, but it isn't a Sheetbend server.",
    advice: [
      "Check the address.",
      "If you run the server behind a proxy: is it running, and are all paths passed on?",
    ],
  },
  server_unreachable: {
    ok: false,
    sentence: "The server can't be reached from here.",
    advice: [
      "Check the address, and that you are online.",
      "If you run the server: is it running, and is its port open?",
    ],
  },
};

/** What is worth saying beside a verdict that it didn't decide. */
const NOTES: readonly (readonly [CheckId, string])[] = [
  [
    "relay",
    "Nothing came through the server's own relay: messages wait until members are connected directly.",
  ],
  ["turn_udp", "TURN over UDP doesn't work from here."],
  ["turn_tcp", "TURN over TCP doesn't work from here; networks that block UDP may need it."],
  ["turn_tls", "TURN over TLS doesn't work from here; the strictest networks need it."],
];

const NOTED: readonly VerdictCode[] = [
  "all_well",
  "turn_needed",
  "turn_over_tcp",
  "stun_unreachable",
  "direct_blocked",
];

/** A Map, because codes come from the server: `constructor` is a property of every object. */
const NOT_LET_IN: ReadonlyMap<string | null, VerdictCode> = new Map<string | null, VerdictCode>([
  ["token_required", "token_needed"],
  ["invalid_token", "token_needed"],
  ["token_expired", "token_needed"],
  ["server_full", "server_busy"],
  ["rate_limited", "server_busy"],
  ["bad_certificate", "certificate_refused"],
]);

/** What `checks` mean together. */
export function verdictOf(checks: readonly Outcome[]): Verdict {
  const code = decide(new Map(checks.map((check) => [check.id, check])));
  const { ok, sentence, advice } = SAID[code];
  if (!NOTED.includes(code)) return { code, ok, sentence, advice };
  const failed = checks.filter(({ status }) => status === "failed").map(({ id }) => id);
  const notes = NOTES.flatMap(([id, note]) => {
    const isSaid = id === "turn_udp" && code === "turn_over_tcp";
    return failed.includes(id) && !isSaid ? [note] : [];
  });
  return { code, ok, sentence, advice: [...advice, ...notes] };
}

function decide(checks: ReadonlyMap<CheckId, Outcome>): VerdictCode {
  const status = (id: CheckId): CheckStatus => checks.get(id)?.status ?? "skipped";
  const code = (id: CheckId) => checks.get(id)?.code ?? null;

  if (status("websocket") !== "ok") {
    return NOT_LET_IN.get(code("websocket")) ?? unreachable(status("http"), code("http"));
  }
  if (code("direct") === "no_webrtc") return "webrtc_missing";
  const turn = [status("turn_udp"), status("turn_tcp"), status("turn_tls")];
  const byUdp = [status("stun"), status("turn_udp")];
  const isRelayed = turn.includes("ok");
  if (!byUdp.includes("ok") && byUdp.includes("failed")) {
    if (isRelayed) return "turn_over_tcp";
    return status("relay") === "failed" ? "nothing_through" : "udp_blocked";
  }
  if (status("direct") === "failed") return isRelayed ? "direct_blocked" : "webrtc_blocked";
  if (code("nat") === "symmetric") return isRelayed ? "turn_needed" : "turn_missing";
  if (turn.includes("failed") && !isRelayed) return "turn_broken";
  if (status("stun") === "failed") return "stun_unreachable";
  if (code("stun") === "not_offered" && !isRelayed) return "no_ice_servers";
  return status("relay") === "failed" ? "relay_broken" : "all_well";
}

function unreachable(http: CheckStatus, code: string | null): VerdictCode {
  if (http === "ok") return "websocket_blocked";
  if (code === "not_sheetbend") return code;
  return NOT_LET_IN.get(code) ?? "server_unreachable";
}
