/**
 * Everything the SDK takes from the browser, as one value, so that tests can give it fakes.
 */

import { randomBytes, toHex } from "./bytes.js";
import { generateKeyPair, type KeyPair } from "./sealing.js";

/** The part of `WebSocket` that is used. */
export type Socket = Pick<
  WebSocket,
  "protocol" | "binaryType" | "bufferedAmount" | "send" | "close" | "onopen" | "onmessage" | "onclose"
>;

/** What the browser provides. The default is made of the page's globals. */
export interface Environment {
  WebSocket: new (url: string, protocols: string[]) => Socket;
  RTCPeerConnection: new (configuration: RTCConfiguration) => RTCPeerConnection;
  MediaStream: new () => MediaStream;
  /** Milliseconds on a monotonic clock. */
  now(): number;
  setTimeout(callback: () => void, delayMs: number): number;
  clearTimeout(timer: number): void;
  /** Whether timers come up to a second late, as browsers have it in pages that nobody looks at. */
  areTimersLate(): boolean;
  /** Uniform in [0, 1). */
  random(): number;
  /** As `generateKeyPair`. */
  generateKeys(): Promise<KeyPair>;
  /** 32 hexadecimal digits that nobody can guess. */
  randomToken(): string;
  /**
   * Calls back when the network returned or changed (`isCertain`), or may have while nobody looked. Returns the function
   * that stops it.
   */
  onNetworkChange(callback: (isCertain: boolean) => void): () => void;
  /** Calls back when the page goes for good (`pagehide`, not into the back-forward cache). Returns the function that stops it. */
  onPageGone(callback: () => void): () => void;
}

/** What is used of `RTCPeerConnection.getStats`. */
export interface ConnectionStats {
  readonly selectedCandidatePairId?: string;
  readonly localCandidateId?: string;
  readonly remoteCandidateId?: string;
  readonly candidateType?: string;
}

/** The environment of a page. */
export function browserEnvironment(): Environment {
  return {
    WebSocket,
    RTCPeerConnection,
    MediaStream,
    now: () => performance.now(),
    setTimeout: (callback, delayMs) => window.setTimeout(callback, delayMs),
    clearTimeout: (timer) => window.clearTimeout(timer),
    areTimersLate: () => document.hidden,
    random: Math.random,
    generateKeys: generateKeyPair,
    randomToken: () => toHex(randomBytes(16)),
    onNetworkChange,
    onPageGone: (callback) => {
      const stop = new AbortController();
      const { signal } = stop;
      window.addEventListener("pagehide", ({ persisted }) => persisted || callback(), { signal });
      return () => stop.abort();
    },
  };
}

function onNetworkChange(callback: (isCertain: boolean) => void): () => void {
  const changed = () => callback(true);
  // Only Chromium tells that Wi-Fi was changed for mobile data while both were up.
  const connection: unknown = Reflect.get(navigator, "connection");
  const stop = new AbortController();
  const { signal } = stop;
  window.addEventListener("online", changed, { signal });
  // Timers of pages in the background come late, and not at all while the computer sleeps.
  document.addEventListener("visibilitychange", () => document.hidden || callback(false), { signal });
  if (connection instanceof EventTarget) connection.addEventListener("change", changed, { signal });
  return () => stop.abort();
}
