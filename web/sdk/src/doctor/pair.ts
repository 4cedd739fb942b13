/** Two peer connections in the page, and a message there and back between them. */

import { isObject, isString } from "../messages.js";
import { Failed, type Found, since, skip, whenEnded } from "./trying.js";

/** As large as the packets of a video. */
const MESSAGE_CHARS = 1200;

/** The check `direct`. */
export async function tryDirect(iceServers: RTCIceServer[], signal: AbortSignal): Promise<Found> {
  if (typeof RTCPeerConnection !== "function") throw new Failed("no_webrtc", "This browser has no WebRTC.");
  const pair = new Pair({ iceServers }, signal);
  try {
    const { rttMs, openedMs, types } = await pair.exchange();
    const note = `Open after ${openedMs} ms, ${rttMs} ms there and back`;
    return { note, detail: { rttMs, openedMs, candidates: types } };
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
    const { hosts } = pair;
    if (hosts.length === 0) throw new Failed("no_candidates", "This browser offers no address of its own.");
    if (hosts.every((address) => address.endsWith(".local"))) {
      throw skip(
        "hidden_addresses",
        "Unknown: browsers hide addresses from a page without camera or microphone.",
      );
    }
    throw error;
  }
}

/** The check of one way to a TURN server. */
export async function tryTurn(
  servers: readonly RTCIceServer[] | undefined,
  signal: AbortSignal,
): Promise<Found> {
  if (servers === undefined) throw skip("not_offered", "The server offers none.");
  if (typeof RTCPeerConnection !== "function") throw skip("no_webrtc", "This browser has no WebRTC.");
  const urls = servers.flatMap(({ urls }) => urls);
  const pair = new Pair({ iceServers: [...servers], iceTransportPolicy: "relay" }, signal);
  try {
    const { rttMs, openedMs } = await pair.exchange();
    const note = `Relays both ways, ${rttMs} ms there and back`;
    return { note, detail: { urls, rttMs, openedMs } };
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
    throw new Failed("not_relayed", pair.turnTrouble(), { detail: { urls, errors: pair.errors } });
  }
}

class Pair {
  readonly hosts: string[] = [];
  readonly errors: { code: number; text: string }[] = [];
  #relayed = 0;
  readonly #signal: AbortSignal;
  readonly #one: RTCPeerConnection;
  readonly #other: RTCPeerConnection;

  constructor(configuration: RTCConfiguration, signal: AbortSignal) {
    this.#signal = signal;
    this.#one = new RTCPeerConnection(configuration);
    this.#other = new RTCPeerConnection(configuration);
    whenEnded(signal, () => {
      this.#one.close();
      this.#other.close();
    });
    this.#trickle(this.#one, this.#other);
    this.#trickle(this.#other, this.#one);
  }

  /** Rejects with Failed when the time is over. */
  async exchange(): Promise<{ rttMs: number; openedMs: number; types: unknown[] }> {
    const startedAt = performance.now();
    const channel = this.#one.createDataChannel("doctor");
    this.#other.ondatachannel = ({ channel: far }) => {
      far.onmessage = ({ data }: MessageEvent<string>) => far.send(data);
    };
    const opened = this.#until<void>((resolve) => {
      channel.onopen = () => resolve();
    });
    opened.catch(() => {}); // it may fail before anybody waits for it
    await this.#negotiate();
    await opened;
    const openedMs = since(startedAt);
    const sentAt = performance.now();
    await this.#until<void>((resolve) => {
      channel.onmessage = () => resolve();
      channel.send("x".repeat(MESSAGE_CHARS));
    });
    return { rttMs: since(sentAt), openedMs, types: await selectedTypes(this.#one) };
  }

  /** Why nothing was relayed, as a sentence. */
  turnTrouble(): string {
    if (this.#relayed > 0) return "It gives addresses, but nothing comes through from one to another.";
    const refused = this.errors.find(({ code }) => code >= 300 && code < 700);
    if (refused !== undefined) return `It refuses: ${refused.code} ${refused.text}`.trim();
    return "It doesn't answer, or its certificate isn't trusted.";
  }

  #trickle(from: RTCPeerConnection, to: RTCPeerConnection): void {
    from.onicecandidate = ({ candidate }) => {
      if (candidate?.type === "host") this.hosts.push(candidate.address ?? "");
      if (candidate?.type === "relay") this.#relayed += 1;
      if (candidate !== null) to.addIceCandidate(candidate).catch(() => {}); // it may be closed by now
    };
    from.onicecandidateerror = ({ errorCode, errorText }) =>
      this.errors.push({ code: errorCode, text: errorText });
  }

  async #negotiate(): Promise<void> {
    const [one, other] = [this.#one, this.#other];
    try {
      await one.setLocalDescription();
      await other.setRemoteDescription(description(one));
      await other.setLocalDescription();
      await one.setRemoteDescription(description(other));
    } catch (error) {
      throw new Failed(
        "negotiation_failed",
        error instanceof Error ? error.message : "No connection came about.",
      );
    }
  }

  #until<T>(begin: (resolve: (value: T) => void) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      const fail = () => reject(new Failed("no_answer", "No connection came about in time."));
      whenEnded(this.#signal, fail);
      this.#one.onconnectionstatechange = () => this.#one.connectionState === "failed" && fail();
      begin(resolve);
    });
  }
}

function description({ localDescription }: RTCPeerConnection): RTCSessionDescription {
  if (localDescription === null) throw new Error("There is no local description.");
  return localDescription;
}

/** The candidate types at both ends of the pair in use. */
async function selectedTypes(peer: RTCPeerConnection): Promise<unknown[]> {
  const stats = new Map<string, unknown>();
  (await peer.getStats()).forEach((value: unknown, id: string) => {
    stats.set(id, value);
  });
  for (const pair of stats.values()) {
    if (!isObject(pair) || pair.type !== "candidate-pair" || pair.state !== "succeeded" || !pair.nominated)
      continue;
    return [pair.localCandidateId, pair.remoteCandidateId].map((id) => {
      const end = isString(id) ? stats.get(id) : null;
      return isObject(end) ? end.candidateType : null;
    });
  }
  return [];
}
