/** What STUN servers see of us: whether UDP goes through, and how the NAT maps it. */

import { CHECK_TIMEOUT_MS, Failed, type Found, skip, whenEnded } from "./trying.js";

/** A candidate, as far as it matters. Where a browser hides an address `address` ends in `.local`. */
export interface Gathered {
  readonly type: string;
  readonly protocol: string;
  readonly address: string;
  readonly port: number;
  /** Of the socket behind the NAT; where relayed, what the TURN server saw of it. Hidden where host addresses are. */
  readonly base: string;
  /** The server that saw it, where the browser says. */
  readonly url: string | null;
}

export interface Gathering {
  /** STUN URLs. */
  readonly asked: readonly string[];
  readonly candidates: readonly Gathered[];
  /** URLs of the servers that didn't answer a socket; once for each socket. */
  readonly silent: readonly string[];
  /** Whether it ended by itself. What isn't known by then may still be true. */
  readonly isComplete: boolean;
  /** Whether this browser says who is silent. */
  readonly tellsSilent: boolean;
}

/**
 * Asks all servers, with one peer connection: `asked` by STUN, `turn` for an allocation from the same sockets. Ends by
 * itself a moment before a check's time is over.
 */
export function gather(
  asked: readonly string[],
  turn: readonly RTCIceServer[],
  signal: AbortSignal,
): Promise<Gathering> {
  const candidates: Gathered[] = [];
  const silent: string[] = [];
  const peer = new RTCPeerConnection({
    iceServers: [...(asked.length > 0 ? [{ urls: [...asked] }] : []), ...turn],
  });
  return new Promise((resolve) => {
    const end = (isComplete: boolean) => {
      clearTimeout(timer);
      peer.close();
      resolve({ asked, candidates, silent, isComplete, tellsSilent: "onicecandidateerror" in peer });
    };
    const timer = setTimeout(() => end(false), CHECK_TIMEOUT_MS - 200);
    whenEnded(signal, () => end(false));
    peer.onicecandidate = ({ candidate }) => {
      if (candidate === null) end(true);
      else if (candidate.candidate !== "") candidates.push(gatheredOf(candidate));
    };
    peer.onicecandidateerror = ({ url }) => silent.push(url);
    peer.createDataChannel("doctor");
    peer.setLocalDescription().catch(() => end(false));
  });
}

/** The check `stun`. `named` are the server's STUN URLs. */
export function stunOf(named: readonly string[], gathering: Gathering): Found {
  const { candidates, isComplete, tellsSilent } = gathering;
  if (named.length === 0) throw skip("not_offered", "The server names no STUN server.");
  const seen = mapped(gathering);
  const detail = { servers: named, mapped: seen.map(place), complete: isComplete };
  const first = seen.find(({ url }) => url === null || named.includes(url));
  if (first !== undefined) return { note: `Seen as ${place(first)}`, detail };
  const answered = named.some((url) => hasAnswered(gathering, url));
  if (answered) return { note: "Answers; seen at this computer's own address", detail };
  if (isComplete && !tellsSilent && candidates.length > 0) {
    throw skip("unknown", "Unknown: this browser doesn't tell whether it was answered.", detail);
  }
  throw new Failed("no_answer", "No STUN server answered by UDP.", { detail });
}

/** The check `nat`: one socket seen from several places (RFC 5780, 4.3, as far as there are places). */
export function natOf(gathering: Gathering): Found {
  const seen = mapped(gathering);
  const relayed = gathering.candidates.filter(({ type, base }) => type === "relay" && !isHidden(base));
  const places = [...new Set([...seen.map(place), ...relayed.map(({ base }) => base)])];
  const servers = gathering.asked.filter(
    (url) =>
      hasAnswered(gathering, url) ||
      seen.some((each) => (each.url === null ? gathering.asked.length === 1 : sameServer(each.url, url))),
  );
  const detail = { servers, mapped: places };
  if (seen.length === 0) {
    const own = gathering.candidates.filter(({ type }) => type === "host").map(place);
    const isSeenAsOwn = relayed.some(({ base }) => own.includes(base));
    if (servers.length === 0 && !isSeenAsOwn)
      throw skip("no_answer", "Nobody answered by UDP who could see the NAT.", detail);
    return { note: "None: seen at this computer's own address", code: "no_nat", detail };
  }
  if (hasSurplus(gathering) || relayed.some(({ base }) => isElsewhere(base, seen))) {
    return { note: "Symmetric: another port for each server", code: "symmetric", detail };
  }
  if (servers.length + relayed.length < 2) {
    throw skip("one_address", "Unknown: only one address to ask, and it takes two to see it.", detail);
  }
  return {
    note: "Endpoint-independent: the same port for all servers",
    code: "endpoint_independent",
    detail,
  };
}

/** Whether there are more mappings than sockets. Browsers give one candidate a mapping, however many servers saw it. */
function hasSurplus(gathering: Gathering): boolean {
  const seen = mapped(gathering);
  const bases = new Set(seen.map(({ base }) => base));
  return seen.length > ([...bases].some(isHidden) ? Math.max(sockets(gathering), 1) : bases.size);
}

/** Whether a TURN server saw a port at an address of which STUN servers saw other ports only. */
function isElsewhere(base: string, seen: readonly Gathered[]): boolean {
  const host = (text: string) => text.slice(0, text.lastIndexOf(":"));
  const ofHost = seen.map(place).filter((each) => host(each) === host(base));
  return ofHost.length > 0 && !ofHost.includes(base);
}

function isHidden(base: string): boolean {
  return /^(0\.0\.0\.0|\[::\]|):/.test(base);
}

function mapped({ candidates }: Gathering): Gathered[] {
  const places = new Map(
    candidates.filter(({ type }) => type === "srflx").map((each) => [`${each.base} ${place(each)}`, each]),
  );
  return [...places.values()];
}

/** A server that isn't silent has answered, once gathering is over. */
function hasAnswered(gathering: Gathering, url: string): boolean {
  if (!gathering.isComplete || !gathering.tellsSilent) return false;
  return gathering.silent.filter((each) => sameServer(each, url)).length < sockets(gathering);
}

function sockets({ candidates }: Gathering): number {
  return candidates.filter(({ type, protocol }) => type === "host" && protocol === "udp").length;
}

/** Browsers add `?transport=udp` to what they were given. */
function sameServer(one: string, other: string): boolean {
  return one.split("?")[0] === other.split("?")[0];
}

function gatheredOf(candidate: RTCIceCandidate): Gathered {
  const { type, protocol, address, port, relatedAddress, relatedPort } = candidate;
  const url: unknown = Reflect.get(candidate, "url");
  return {
    type: type ?? "",
    protocol: protocol ?? "",
    address: address ?? "",
    port: port ?? 0,
    base: joined(relatedAddress ?? "", relatedPort ?? 0),
    url: typeof url === "string" && url !== "" ? url : null,
  };
}

function place({ address, port }: Gathered): string {
  return joined(address, port);
}

function joined(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
