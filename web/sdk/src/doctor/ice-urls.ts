/** What the server's `iceServers` name, sorted by what is tried with it. */

import type { CheckId } from "./report.js";

const URL_PARTS = /^(stuns?|turns?):(?:\[[^\]]+\]|[^:?]+)(?::\d+)?(?:\?transport=(udp|tcp))?$/;

const DEFAULT_PORT = 3478;

export type TurnCheckId = Extract<CheckId, `turn_${string}`>;

export interface IceUrls {
  /** As they were named. */
  readonly stun: readonly string[];
  readonly turn: ReadonlyMap<TurnCheckId, readonly RTCIceServer[]>;
}

/** `hostname` is put in place of `{host}`; URLs that nobody understands are left out. */
export function sortIceServers(servers: readonly RTCIceServer[], hostname: string): IceUrls {
  const stun = new Set<string>();
  const turn = new Map<TurnCheckId, RTCIceServer[]>();
  for (const server of servers) {
    for (const template of [server.urls].flat()) {
      const url = template.replaceAll("{host}", hostname);
      const [, scheme, transport] = URL_PARTS.exec(url) ?? [];
      if (scheme === undefined) continue;
      if (scheme.startsWith("stun")) stun.add(url);
      else {
        const id = scheme === "turns" ? "turn_tls" : transport === "tcp" ? "turn_tcp" : "turn_udp";
        turn.set(id, [...(turn.get(id) ?? []), { ...server, urls: url }]);
      }
    }
  }
  return { stun: [...stun], turn };
}

/** Host and port, by which two URLs name the same UDP server. */
export function authority(url: string): string {
  const bare = url.replace(/^\w+:/, "").replace(/\?.*$/, "");
  return /:\d+$/.test(bare) ? bare : `${bare}:${DEFAULT_PORT}`;
}
