/** All checks in two rounds: what reaches the server, then what the server told of. */

import { SheetbendError } from "../errors.js";
import { CLIENT } from "./client.js";
import { type Gathering, gather, natOf, stunOf } from "./gathering.js";
import { authority, sortIceServers, type TurnCheckId } from "./ice-urls.js";
import { tryDirect, tryTurn } from "./pair.js";
import { assertRelayable, tryRelayFrames } from "./relay.js";
import { CHECK_IDS, type Check, type CheckId, type Report } from "./report.js";
import { Session } from "./session.js";
import { attempt, Failed, type Found, since, skip } from "./trying.js";
import { verdictOf } from "./verdict.js";

const LOOPBACK = /^(localhost|.*\.localhost|127(\.\d+){3}|\[::1\])$/;
const TURN_CHECK_IDS: readonly TurnCheckId[] = ["turn_udp", "turn_tcp", "turn_tls"];

/** What `diagnose` takes. */
export interface DiagnoseOptions {
  /** What a server with `--auth token` asks for. It isn't in the report. */
  token?: string;
  /** Called with each check as it ends. */
  onCheck?: (check: Check) => void;
  /** Ends it; everything is closed, and the promise rejects with `aborted`. */
  signal?: AbortSignal;
}

/**
 * Tries every way to a server from this page, and says what that means. Takes 12 s at most.
 *
 * @param url of the server's WebSocket, such as `wss://example.org/ws`, or of its page
 * @returns a promise that rejects with a SheetbendError only: `aborted`, or `invalid_argument` for what is no address
 */
export async function diagnose(url: string | URL, options: DiagnoseOptions = {}): Promise<Report> {
  const ended = new AbortController();
  const stop = () => ended.abort();
  options.signal?.addEventListener("abort", stop);
  if (options.signal?.aborted) stop();
  try {
    const report = await new Diagnosis(websocketUrl(url), options, ended.signal).run();
    if (ended.signal.aborted) throw new SheetbendError("aborted", "The diagnosis was aborted.");
    return report;
  } finally {
    options.signal?.removeEventListener("abort", stop);
    stop();
  }
}

class Diagnosis {
  readonly #url: URL;
  readonly #options: DiagnoseOptions;
  readonly #signal: AbortSignal;
  readonly #checks = new Map<CheckId, Check>();
  #session: Session | null = null;

  constructor(url: URL, options: DiagnoseOptions, signal: AbortSignal) {
    this.#url = url;
    this.#options = options;
    this.#signal = signal;
  }

  async run(): Promise<Report> {
    const startedAt = new Date().toISOString();
    const started = performance.now();
    await Promise.all([
      this.#make("http", (signal) => askHealth(this.#url, signal)),
      this.#make("websocket", (signal) => this.#greet(signal)),
    ]);
    await this.#lookFurther();
    const checks = CHECK_IDS.flatMap((id) => this.#checks.get(id) ?? []);
    return {
      version: 1,
      url: this.#url.href,
      by: CLIENT,
      server: this.#session?.welcome.server ?? null,
      startedAt,
      tookMs: Math.round(since(started)),
      checks,
      verdict: verdictOf(checks),
    };
  }

  async #lookFurther(): Promise<void> {
    const session = this.#session;
    const servers = sortIceServers(session?.welcome.iceServers ?? [], this.#url.hostname);
    const direct = this.#make("direct", (signal) =>
      tryDirect(servers.stun.length > 0 ? [{ urls: [...servers.stun] }] : [], signal),
    );
    if (session === null) {
      const others = CHECK_IDS.filter((id) => !this.#checks.has(id) && id !== "direct");
      const reason = skip("no_session", "Not tried: it takes a session on the server.");
      await Promise.all([direct, ...others.map((id) => this.#make(id, () => Promise.reject(reason)))]);
      return;
    }
    await Promise.all([
      direct,
      this.#make("relay", (signal) => this.#relay(session, signal)),
      this.#seeNat(servers.stun, servers.turn.get("turn_udp") ?? []),
      ...TURN_CHECK_IDS.map((id) => this.#make(id, (signal) => tryTurn(servers.turn.get(id), signal))),
    ]);
  }

  async #greet(signal: AbortSignal): Promise<Found> {
    const started = performance.now();
    this.#session = await this.#open(signal);
    return { note: `Connected and greeted in ${Math.round(since(started))} ms` };
  }

  async #relay(one: Session, signal: AbortSignal): Promise<Found> {
    assertRelayable(one);
    return tryRelayFrames(one, await this.#open(signal), signal);
  }

  async #seeNat(named: readonly string[], turn: readonly RTCIceServer[]): Promise<void> {
    const known = named.map(authority);
    const elsewhere = turn.filter(({ urls }) => ![urls].flat().some((url) => known.includes(authority(url))));
    const see = (servers: readonly RTCIceServer[], signal: AbortSignal): Promise<Gathering> => {
      if (typeof RTCPeerConnection !== "function") throw skip("no_webrtc", "This browser has no WebRTC.");
      // Browsers ask from the network's interfaces, from which there is no way to loopback.
      if (LOOPBACK.test(this.#url.hostname)) {
        throw skip("same_machine", "Not tried: the server is this computer itself.");
      }
      return gather(named, servers, signal);
    };
    await Promise.all([
      this.#make("stun", async (signal) => stunOf(named, await see([], signal))),
      this.#make("nat", async (signal) => natOf(await see(elsewhere, signal))),
    ]);
  }

  #open(opening: AbortSignal): Promise<Session> {
    return Session.open(this.#url.href, this.#options.token ?? null, this.#signal, opening);
  }

  async #make(id: CheckId, tryIt: (signal: AbortSignal) => Promise<Found>): Promise<void> {
    const check = await attempt(id, this.#signal, tryIt);
    if (this.#signal.aborted) return;
    this.#checks.set(id, check);
    this.#options.onCheck?.(check);
  }
}

/** Asks for `/healthz`: what tells a blocked WebSocket from a server that is away. */
async function askHealth(url: URL, signal: AbortSignal): Promise<Found> {
  const target = new URL("/healthz", url);
  target.protocol = url.protocol === "wss:" ? "https:" : "http:";
  const isOwn = target.origin === globalThis.location?.origin;
  let response: Response;
  try {
    // Of another origin nothing can be read but that it answered.
    response = await fetch(target, { signal, cache: "no-store", mode: isOwn ? "cors" : "no-cors" });
  } catch {
    throw new Failed("unreachable", "No answer came.");
  }
  const { status: httpStatus, type } = response;
  if (type === "opaque") return { note: "Answers" };
  const detail = { httpStatus };
  if (httpStatus === 503) {
    throw new Failed("server_full", "The server is shutting down, or a proxy doesn't find it.", { detail });
  }
  if (httpStatus >= 400) {
    throw new Failed("not_sheetbend", `What answers has no /healthz (HTTP ${httpStatus}).`, { detail });
  }
  return { note: `HTTP ${httpStatus}`, detail };
}

/** The WebSocket of what people have at hand. What stands behind `#` may be a room's secret. */
function websocketUrl(given: string | URL): URL {
  const schemes = new Map([
    ["http:", "ws:"],
    ["https:", "wss:"],
    ["ws:", "ws:"],
    ["wss:", "wss:"],
  ]);
  try {
    const { protocol, host, pathname, username, password } = new URL(given, globalThis.location?.href);
    const scheme = schemes.get(protocol);
    if (scheme !== undefined && host !== "" && username + password === "") {
      const isPage = scheme !== protocol || pathname === "/";
      return new URL(`${scheme}//${host}${isPage ? "/ws" : pathname}`);
    }
  } catch {
    // TypeError: no URL
  }
  throw new SheetbendError("invalid_argument", "This is no address of a server.");
}
