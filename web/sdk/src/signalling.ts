/**
 * The session (`session`) on a real WebSocket, real timers and the application's tokens: does its effects, in order.
 *
 * Leaves to others: what is said on it (`room`, `mesh`).
 */

import type { CloseReason, ConnectOptions } from "./api.js";
import { SUBPROTOCOL, TOKEN_EXPIRED } from "./codes.js";
import { decodeServerMessage } from "./decode.js";
import { encode } from "./encode.js";
import type { Environment, Socket } from "./environment.js";
import { type ErrorCode, SheetbendError } from "./errors.js";
import { type ClientMessage, isString, type RoomEvent, type Unknown, type Welcome } from "./messages.js";
import type { ReconnectPolicy } from "./reconnect-policy.js";
import { createSession, type Effect, type EffectByName } from "./session.js";

/** What signalling tells its owner. */
export interface SignallingPort {
  /** Hello of a new session is on its way: what is sent now goes right behind it. */
  greeted(): void;
  /**
   * The session is open. `recovered` is null for the first one of all; false if it is another one than before, in no
   * room, and what was sent and not answered yet may or may not have arrived.
   */
  welcomed(session: { welcome: Welcome; recovered: boolean | null }): void;
  received(event: RoomEvent): void;
  /** A binary message. */
  frame(data: Uint8Array<ArrayBuffer>): void;
  /** The connection is gone; another will be tried. What is sent meanwhile waits. */
  lost(): void;
  /** There will be no other. Called once, and not after `close()`. */
  ended(reason: CloseReason): void;
}

/** What is asked of `Signalling` besides the room. */
export interface SignallingOptions {
  policy: ReconnectPolicy;
  token: ConnectOptions["token"];
  features: readonly string[];
  relayOnly?: true | undefined;
}

/** Whether the connection lives is asked at most so often. */
const CHECK_MS = 1000;
const NORMAL_CLOSE = 1000;
const UNKNOWN: Unknown = { type: "unknown" };
/** How often to ask for a token without which there is no connection, and how long to wait in between. */
const TOKEN_TRIES = 3;
const TOKEN_RETRY_MS = 5000;

export type Signalling = ReturnType<typeof createSignalling>;

export function createSignalling(
  url: string,
  environment: Environment,
  { token, ...options }: SignallingOptions,
  port: SignallingPort,
) {
  const refreshes = typeof token === "function";
  const { random } = environment;
  const session = createSession({ ...options, client: "sheetbend-js/0.1.0", random, refreshes });
  const due: Effect[] = [];
  let isBegun = false;
  let isClosed = false;
  let socket: Socket | null = null;
  let checkedAt = -CHECK_MS;
  let timer = 0;
  let tokenTimer = 0;
  const stopListening = environment.onNetworkChange(() => take(session.networkBack));

  /** Opens the first connection. */
  function start(): void {
    if (refreshes) askForToken(1);
    else goOnWith(token);
  }

  /**
   * Sends a message, now or when the session goes on. Does nothing where there is none.
   *
   * @throws SheetbendError as `encode`
   */
  function send(message: ClientMessage): void {
    const text = encode(message);
    take(() => session.send(text));
  }

  /** Sends a binary message, if there is a connection that takes it. */
  function relay(frame: Uint8Array<ArrayBuffer>): void {
    socket?.send(frame);
  }

  /** Bytes that the connection has taken and not sent yet. */
  function bufferedBytes(): number {
    return socket?.bufferedAmount ?? 0;
  }

  /** Something doesn't come back: finds out whether the connection still works. */
  function suspectRelay(): void {
    const now = environment.now();
    if (now - checkedAt < CHECK_MS) return;
    checkedAt = now;
    take(session.check);
  }

  /** Says goodbye and ends. */
  function close(): void {
    isClosed = true;
    stopListening();
    environment.clearTimeout(tokenTimer);
    take(session.close);
  }

  /** Opens the first connection with this token, or brings the session a fresh one. */
  function goOnWith(fresh: string | undefined): void {
    if (fresh !== undefined) take((now) => session.authorize(fresh, now));
    if (!isBegun) take(session.start);
    isBegun = true;
  }

  /** What an effect brings about is done behind the effects that are still due: what is sent keeps its order. */
  function take(input: (now: number) => Effect[]): void {
    due.push(...input(environment.now()));
    for (let effect = due.shift(); effect; effect = due.shift()) perform(effect);
    environment.clearTimeout(timer);
    const at = session.nextDeadline();
    if (at === null) return;
    const delayMs = Math.max(0, Math.ceil(at - environment.now()));
    timer = environment.setTimeout(() => take(session.expire), delayMs);
  }

  const performers: { [K in keyof EffectByName]: (effect: EffectByName[K]) => void } = {
    ...port,
    open,
    transmit: ({ text }) => socket?.send(text),
    disconnect: discard,
    deliver({ message }) {
      if (message.type !== "authorized" && message.type !== "unknown") port.received(message);
    },
    "need-token": () => askForToken(TOKEN_TRIES),
    ended,
  };

  /** Once closed, nobody is told anything any more. */
  function perform<K extends keyof EffectByName>(effect: EffectByName[K] & { effect: K }): void {
    const name = effect.effect;
    if (!isClosed || name === "transmit" || name === "disconnect") performers[name](effect);
  }

  function open(): void {
    discard();
    try {
      listen(new environment.WebSocket(url, [SUBPROTOCOL]));
    } catch {
      end("invalid_argument", `Not a WebSocket address: ${url}`);
    }
  }

  function listen(opened: Socket): void {
    socket = opened;
    opened.binaryType = "arraybuffer";
    opened.onopen = () => {
      if (opened.protocol === SUBPROTOCOL) take(session.opened);
      else end("connection_failed", `The server doesn't speak ${SUBPROTOCOL}.`);
    };
    opened.onmessage = ({ data }) => {
      if (data instanceof ArrayBuffer) {
        session.heard(environment.now());
        if (!isClosed) port.frame(new Uint8Array(data));
        return;
      }
      const message = decodeServerMessage(data) ?? UNKNOWN;
      take((now) => session.received(message, now));
    };
    opened.onclose = ({ code, reason }) => {
      discard();
      take((now) => session.closed(code, reason, now));
    };
  }

  async function askForToken(tries: number): Promise<void> {
    let fresh: unknown;
    let cause: unknown;
    try {
      fresh = refreshes && (await token());
    } catch (thrown) {
      cause = thrown;
    }
    if (isClosed) return;
    if (isString(fresh)) {
      goOnWith(fresh);
      return;
    }
    const left = isBegun && !session.awaitsToken ? tries : tries - 1;
    environment.clearTimeout(tokenTimer);
    if (left === 0) end("token_unavailable", "The token function gave none.", NORMAL_CLOSE, cause);
    else tokenTimer = environment.setTimeout(() => askForToken(left), TOKEN_RETRY_MS);
  }

  function ended({ code, reason, error }: EffectByName["ended"]): void {
    const name = error ?? (code === TOKEN_EXPIRED ? "token_expired" : "connection_failed");
    end(name, reason || `Closed with code ${code}.`, code);
  }

  function end(name: ErrorCode, reason: string, code = NORMAL_CLOSE, cause?: unknown): void {
    const error = new SheetbendError(name, reason);
    if (cause !== undefined) error.cause = cause;
    close();
    port.ended({ code, reason, error });
  }

  /** Forgets the socket: nothing it still does is heard. */
  function discard(): void {
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    socket = null;
  }

  return { start, send, relay, bufferedBytes, suspectRelay, close };
}
