/**
 * Everything the SDK takes from the browser, as one value, so that tests can give it fakes.
 */

/** The part of `WebSocket` that is used. */
export type Socket = Pick<WebSocket, "protocol" | "send" | "close" | "onopen" | "onmessage" | "onclose">;

/** What the browser provides. The default is made of the page's globals. */
export interface Environment {
  WebSocket: new (url: string, protocols: string[]) => Socket;
  RTCPeerConnection: new (configuration: RTCConfiguration) => RTCPeerConnection;
  MediaStream: new () => MediaStream;
  /** Milliseconds on a monotonic clock. */
  now(): number;
  setTimeout(callback: () => void, delayMs: number): number;
  clearTimeout(timer: number): void;
  /** Uniform in [0, 1). */
  random(): number;
  /** 32 hexadecimal digits that nobody can guess. */
  randomToken(): string;
  /** Calls back when the network returned. Returns the function that stops it. */
  onOnline(callback: () => void): () => void;
  /** Calls back when the page goes for good (`pagehide`, not into the back-forward cache). Returns the function that stops it. */
  onPageGone(callback: () => void): () => void;
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
    random: () => Math.random(),
    randomToken,
    onOnline: (callback) => listen("online", callback),
    onPageGone: (callback) => listen("pagehide", (event) => event.persisted || callback()),
  };
}

function randomToken(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function listen<K extends keyof WindowEventMap>(
  type: K,
  listener: (event: WindowEventMap[K]) => void,
): () => void {
  window.addEventListener(type, listener);
  return () => window.removeEventListener(type, listener);
}
