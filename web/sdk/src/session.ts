/**
 * A client's session: one connection after another, and nothing lost between them (PROTOCOL.md, "Resume").
 *
 *               opened: hello           welcome
 *     connecting ───────────> greeting ─────────> ready
 *       │  ^                    │                   │ closed, or nothing heard
 *       │  └─── retryAt, networkBack ─── waiting <──┴── (not before the first welcome)
 *       └── first attempt failed, a final close code, the policy gives up, close() ──> closed
 *
 * Inputs are what happens to the connection and what the owner wants; each answers with effects, which the caller owes
 * in order. `nextDeadline` says when to call `expire`. Times are milliseconds on a monotonic clock. Leaves to others:
 * sockets and timers (`signalling`), rooms (`room`). `core/client/session.py` is its twin, held to the same traces.
 */

import { reconnectsAfter, TOKEN_EXPIRED, UNAUTHORIZED } from "./codes.js";
import type {
  Ack,
  Authorized,
  Hello,
  Plain,
  RoomEvent,
  ServerMessage,
  Token,
  Unknown,
  Welcome,
} from "./messages.js";
import type { ReconnectPolicy } from "./reconnect-policy.js";
import { createStream } from "./stream.js";

export type Effect =
  /** Open a new connection. */
  | { effect: "open" }
  /** Send this on the connection. */
  | { effect: "transmit"; text: string }
  /** Close the connection, and hear nothing of it any more. */
  | { effect: "disconnect" }
  /** Hello of a new session is on its way: `send` what is to go right behind it, such as `join`. */
  | { effect: "greeted" }
  /**
   * The session is open. `recovered` is null for the first one of all; false if it is another one than before, in no
   * room: what was sent and not answered yet may or may not have arrived.
   */
  | { effect: "welcomed"; welcome: Welcome; recovered: boolean | null }
  /** A message for the application. */
  | { effect: "deliver"; message: CountedMessage }
  /** The connection broke; another will be tried. What is sent meanwhile waits. */
  | { effect: "lost" }
  /** Call `authorize` with a fresh token. */
  | { effect: "need-token" }
  /** There will be no other connection. `error` is the code of the server's last error before `welcome`. */
  | { effect: "ended"; code: number; reason: string; error: string | null };

/** Each effect by its name. */
export type EffectByName = { [E in Effect as E["effect"]]: E };

/** What the server counts, and so do we. */
export type CountedMessage = RoomEvent | Authorized | Unknown;

export interface SessionOptions {
  /** Name and version of this program. */
  client: string;
  /** Optional parts of the protocol that the owner has. */
  features?: readonly string[];
  /** The server shall pass no address of ours on. */
  relayOnly?: true | undefined;
  policy: ReconnectPolicy;
  /** Uniform in [0, 1). */
  random(): number;
  /** Whether the owner can answer `need-token`. */
  refreshes: boolean;
}

const ACK_AFTER_MESSAGES = 256;
const ACK_AFTER_MS = 5000;
/** From opening a connection to `welcome`. */
const CONNECT_TIMEOUT_MS = 10_000;
/**
 * How long to wait for an answer where something speaks for a dead connection: as long as connecting took, which is three
 * or four round trips. A connection that lives after all is resumed, with nothing lost.
 */
const CHECK_TIMEOUT_MIN_MS = 1000;
const CHECK_TIMEOUT_MAX_MS = 2500;
/** A token is asked for so long before the old one runs out, or when four fifths of a short one's time are over. */
const REFRESH_AT_MS = 30_000;
const ABNORMAL_CLOSE = 1006;
const TOKEN_ERRORS: readonly (string | null)[] = ["token_required", "invalid_token", "token_expired"];

/** A deadline that isn't set. */
const NEVER = Infinity;

type Phase = "connecting" | "greeting" | "ready" | "waiting" | "closed";

export type Session = ReturnType<typeof createSession>;

export function createSession({ client, features, relayOnly, policy, random, refreshes }: SessionOptions) {
  let phase: Phase = "waiting";
  let stream = createStream();
  let token: string | undefined;
  let resumeToken: string | null = null;
  let wasWelcomed = false;
  let attempt = 0;
  let lostAt: number;
  let reconnectWithinMs: number | null = null;
  let pingIntervalMs: number;
  let error: string | null = null;
  let awaitsToken = false;
  let askedForToken = false;
  /** How much of the received the server has been told of. */
  let told: number;
  let checkTimeoutMs: number;
  let retryAt: number;
  let ackAt: number;
  let pingAt: number;
  /** By then there must be an answer: `welcome`, or anything once the session is open. */
  let deadAt: number;
  let refreshAt: number;
  forgetConnection();

  // Inputs.

  /** The connection is open and speaks `sheetbend.v1`. */
  function opened(): Effect[] {
    if (phase !== "connecting") return [];
    phase = "greeting";
    error = null;
    const hello: Hello = { type: "hello", client, features, relayOnly, token };
    if (resumeToken !== null)
      return [transmit({ ...hello, resume: { token: resumeToken, received: stream.received } })];
    stream = createStream();
    return [transmit(hello), { effect: "greeted" }];
  }

  /** A message came in. */
  function received(message: ServerMessage | Unknown, now: number): Effect[] {
    if (phase === "greeting") {
      if (message.type === "error") error = message.code;
      return message.type === "welcome" ? welcomed(message, now) : [];
    }
    if (phase !== "ready") return [];
    heard(now);
    switch (message.type) {
      case "ack":
        stream.acknowledge(message.received);
        return [];
      case "draining":
        reconnectWithinMs = message.withinS * 1000;
        return [];
      case "pong":
      case "welcome":
        return [];
      default:
        return counted(message, now);
    }
  }

  /** Something came in: the server lives. */
  function heard(now: number): void {
    if (phase !== "ready") return;
    pingAt = now + pingIntervalMs;
    deadAt = NEVER;
  }

  /** The connection is gone, or could not be opened (1006). */
  function closed(code: number, reason: string, now: number): Effect[] {
    if (!hasConnection()) return [];
    const wasReady = phase === "ready";
    const lost: Effect[] = wasReady ? [{ effect: "lost" }] : [];
    if (wasReady) lostAt = now;
    forgetConnection();
    const isAboutToken = code === TOKEN_EXPIRED || (code === UNAUTHORIZED && TOKEN_ERRORS.includes(error));
    if (refreshes && !askedForToken && isAboutToken) {
      if (code === TOKEN_EXPIRED) resumeToken = null;
      phase = "waiting";
      awaitsToken = true;
      return [...lost, askForToken()];
    }
    const delayMs = wasWelcomed && reconnectsAfter(code) ? nextDelayMs(now) : null;
    if (delayMs === null) {
      phase = "closed";
      return [{ effect: "ended", code, reason, error }];
    }
    phase = "waiting";
    retryAt = now + delayMs;
    return lost;
  }

  /** Sends a counted message, now or as soon as the session goes on. Without a session it does nothing. */
  function send(text: string): Effect[] {
    const isNew = phase === "greeting" && resumeToken === null;
    if (phase === "closed" || (resumeToken === null && !isNew)) return [];
    stream.keep(text);
    return phase === "ready" || isNew ? [{ effect: "transmit", text }] : [];
  }

  /** Takes a token: for the next hello, and for the session that is open. */
  function authorize(fresh: string, now: number): Effect[] {
    token = fresh;
    if (phase === "ready") return send(textOf({ type: "token", token }));
    if (!awaitsToken) return [];
    awaitsToken = false;
    return connect(now);
  }

  /** Something speaks for a dead connection: finds out at once. */
  function check(now: number): Effect[] {
    if (phase !== "ready") return [];
    deadAt = Math.min(deadAt, now + checkTimeoutMs);
    return [transmit({ type: "ping" })];
  }

  /** The network changed or came back: connects at once, or finds out at once whether the connection still works. */
  function networkBack(now: number): Effect[] {
    if (phase === "ready") return check(now);
    if (!wasWelcomed || awaitsToken || phase === "closed") return [];
    return [...disconnect(), ...connect(now)];
  }

  /** Says goodbye and ends. */
  function close(): Effect[] {
    // Before `welcome` too: `join` may be on its way, and nobody shall linger in the room.
    const isOpen = phase === "greeting" || phase === "ready";
    const effects = [...(isOpen ? [transmit({ type: "bye" })] : []), ...disconnect()];
    forgetConnection();
    awaitsToken = false;
    phase = "closed";
    return effects;
  }

  /** Does what is due. */
  function expire(now: number): Effect[] {
    if (now >= deadAt) {
      const effects = closed(ABNORMAL_CLOSE, "The server doesn't answer.", now);
      return [{ effect: "disconnect" }, ...effects];
    }
    if (now >= retryAt) return connect(now);
    const effects: Effect[] = [];
    if (now >= ackAt) effects.push(acknowledge());
    if (now >= pingAt) {
      // Dead is only who was asked and didn't answer: a timer may come hours late, after a sleep.
      pingAt = NEVER;
      deadAt = now + pingIntervalMs;
      effects.push(transmit({ type: "ping" }));
    }
    if (now >= refreshAt) {
      refreshAt = NEVER;
      effects.push(askForToken());
    }
    return effects;
  }

  /** When to call `expire`; null for not yet. */
  function nextDeadline(): number | null {
    const at = Math.min(retryAt, ackAt, pingAt, deadAt, refreshAt);
    return at < NEVER ? at : null;
  }

  // The parts.

  function connect(now: number): Effect[] {
    forgetConnection();
    phase = "connecting";
    deadAt = now + CONNECT_TIMEOUT_MS;
    return [{ effect: "open" }];
  }

  function hasConnection(): boolean {
    return phase !== "waiting" && phase !== "closed";
  }

  function disconnect(): Effect[] {
    return hasConnection() ? [{ effect: "disconnect" }] : [];
  }

  function welcomed(welcome: Welcome, now: number): Effect[] {
    const connectingMs = now - deadAt + CONNECT_TIMEOUT_MS;
    checkTimeoutMs = Math.min(Math.max(connectingMs, CHECK_TIMEOUT_MIN_MS), CHECK_TIMEOUT_MAX_MS);
    phase = "ready";
    attempt = 0;
    reconnectWithinMs = null;
    askedForToken = false;
    pingIntervalMs = welcome.limits.pingIntervalS * 1000;
    heard(now);
    noteExpiry(welcome.expiresInS, now);
    const asked = resumeToken !== null;
    resumeToken = welcome.resumeToken;
    if (asked && welcome.recovered) return goOn(welcome, now);
    const recovered = wasWelcomed ? false : null;
    wasWelcomed = true;
    if (asked) stream = createStream();
    told = 0;
    return [{ effect: "welcomed", welcome, recovered }];
  }

  function goOn(welcome: Welcome, now: number): Effect[] {
    const missed = stream.replay(welcome.received ?? 0);
    if (missed === null) {
      // More was waiting than is kept: begin anew, honestly.
      resumeToken = null;
      return [transmit({ type: "bye" }), { effect: "disconnect" }, { effect: "lost" }, ...connect(now)];
    }
    // An acknowledgement first: it shows the server that this welcome has arrived.
    const again = missed.map((text): Effect => ({ effect: "transmit", text }));
    return [{ effect: "welcomed", welcome, recovered: true }, acknowledge(), ...again];
  }

  function counted(message: CountedMessage, now: number): Effect[] {
    stream.received++;
    const effects: Effect[] = [{ effect: "deliver", message }];
    if (message.type === "authorized") {
      askedForToken = false;
      noteExpiry(message.expiresInS, now);
    }
    if (stream.received - told >= ACK_AFTER_MESSAGES) effects.push(acknowledge());
    else ackAt = Math.min(ackAt, now + ACK_AFTER_MS);
    return effects;
  }

  function acknowledge(): Effect {
    ackAt = NEVER;
    told = stream.received;
    return transmit({ type: "ack", received: told });
  }

  function noteExpiry(expiresInS: number | undefined, now: number): void {
    if (expiresInS === undefined || !refreshes) return;
    const leftMs = expiresInS * 1000;
    refreshAt = now + Math.max(leftMs - REFRESH_AT_MS, leftMs * 0.8);
  }

  function askForToken(): Effect {
    askedForToken = true;
    return { effect: "need-token" };
  }

  function nextDelayMs(now: number): number | null {
    const withinMs = reconnectWithinMs;
    if (withinMs === null) return policy.nextDelayMs(attempt++, now - lostAt);
    reconnectWithinMs = null;
    return withinMs * random();
  }

  function forgetConnection(): void {
    retryAt = ackAt = pingAt = deadAt = refreshAt = NEVER;
  }

  return {
    /** Whether only a token is missing to connect. */
    get awaitsToken() {
      return awaitsToken;
    },

    /** Opens the first connection. Once. */
    start: connect,
    opened,
    received,
    heard,
    closed,
    send,
    authorize,
    check,
    networkBack,
    close,
    expire,
    nextDeadline,
  };
}

function transmit(message: Hello | Ack | Plain): Effect {
  return { effect: "transmit", text: textOf(message) };
}

function textOf(message: Hello | Ack | Plain | Token): string {
  return JSON.stringify(message);
}
