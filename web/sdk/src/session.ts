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
import { Stream } from "./stream.js";

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

type Phase = "connecting" | "greeting" | "ready" | "waiting" | "closed";

export class Session {
  readonly #options: SessionOptions;
  #phase: Phase = "waiting";
  #stream = new Stream();
  #token: string | null = null;
  #resumeToken: string | null = null;
  #wasWelcomed = false;
  #attempt = 0;
  #lostAt = 0;
  #reconnectWithinMs: number | null = null;
  #pingIntervalMs = 0;
  #error: string | null = null;
  #awaitsToken = false;
  #askedForToken = false;
  /** How much of the received the server has been told of. */
  #told = 0;
  #connectBy: number | null = null;
  #retryAt: number | null = null;
  #ackAt: number | null = null;
  #checkTimeoutMs = CHECK_TIMEOUT_MAX_MS;
  #pingAt: number | null = null;
  #deadAt: number | null = null;
  #refreshAt: number | null = null;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** Whether only a token is missing to connect. */
  get awaitsToken(): boolean {
    return this.#awaitsToken;
  }

  // Inputs.

  /** Opens the first connection. Once. */
  start(now: number): Effect[] {
    return this.#connect(now);
  }

  /** The connection is open and speaks `sheetbend.v1`. */
  opened(): Effect[] {
    if (this.#phase !== "connecting") return [];
    this.#phase = "greeting";
    this.#error = null;
    const { client, features, relayOnly } = this.#options;
    const hello: Hello = { type: "hello", client, features, relayOnly };
    if (this.#token !== null) hello.token = this.#token;
    if (this.#resumeToken !== null) {
      hello.resume = { token: this.#resumeToken, received: this.#stream.received };
      return [transmit(hello)];
    }
    this.#stream = new Stream();
    return [transmit(hello), { effect: "greeted" }];
  }

  /** A message came in. */
  received(message: ServerMessage | Unknown, now: number): Effect[] {
    if (this.#phase === "greeting") {
      if (message.type === "error") this.#error = message.code;
      return message.type === "welcome" ? this.#welcomed(message, now) : [];
    }
    if (this.#phase !== "ready") return [];
    this.heard(now);
    switch (message.type) {
      case "ack":
        this.#stream.acknowledge(message.received);
        return [];
      case "draining":
        this.#reconnectWithinMs = message.withinS * 1000;
        return [];
      case "pong":
      case "welcome":
        return [];
      default:
        return this.#counted(message, now);
    }
  }

  /** Something came in: the server lives. */
  heard(now: number): void {
    if (this.#phase !== "ready") return;
    this.#pingAt = now + this.#pingIntervalMs;
    this.#deadAt = null;
  }

  /** The connection is gone, or could not be opened (1006). */
  closed(code: number, reason: string, now: number): Effect[] {
    if (this.#phase === "waiting" || this.#phase === "closed") return [];
    const lost: Effect[] = this.#phase === "ready" ? [{ effect: "lost" }] : [];
    if (this.#phase === "ready") this.#lostAt = now;
    this.#forgetConnection();
    if (this.#options.refreshes && !this.#askedForToken && this.#isAboutToken(code)) {
      if (code === TOKEN_EXPIRED) this.#resumeToken = null;
      this.#phase = "waiting";
      this.#awaitsToken = true;
      return [...lost, ...this.#askForToken()];
    }
    if (!this.#wasWelcomed || !reconnectsAfter(code)) return this.#end(code, reason);
    const delayMs = this.#nextDelayMs(now);
    if (delayMs === null) return this.#end(code, reason);
    this.#phase = "waiting";
    this.#retryAt = now + delayMs;
    return lost;
  }

  /** Sends a counted message, now or as soon as the session goes on. Without a session it does nothing. */
  send(text: string): Effect[] {
    const isNew = this.#phase === "greeting" && this.#resumeToken === null;
    if (this.#phase === "closed" || (this.#resumeToken === null && !isNew)) return [];
    this.#stream.keep(text);
    return this.#phase === "ready" || isNew ? [{ effect: "transmit", text }] : [];
  }

  /** Takes a token: for the next hello, and for the session that is open. */
  authorize(token: string, now: number): Effect[] {
    this.#token = token;
    if (this.#phase === "ready") return this.send(textOf({ type: "token", token }));
    if (!this.#awaitsToken) return [];
    this.#awaitsToken = false;
    return this.#connect(now);
  }

  /** Something speaks for a dead connection: finds out at once. */
  check(now: number): Effect[] {
    if (this.#phase !== "ready") return [];
    this.#deadAt = Math.min(this.#deadAt ?? Number.POSITIVE_INFINITY, now + this.#checkTimeoutMs);
    return [transmit({ type: "ping" })];
  }

  /** The network changed or came back: connects at once, or finds out at once whether the connection still works. */
  networkBack(now: number): Effect[] {
    if (this.#phase === "ready") return this.check(now);
    if (!this.#wasWelcomed || this.#awaitsToken || this.#phase === "closed") return [];
    const drop: Effect[] = this.#phase === "waiting" ? [] : [{ effect: "disconnect" }];
    return [...drop, ...this.#connect(now)];
  }

  /** Says goodbye and ends. */
  close(): Effect[] {
    // Before `welcome` too: `join` may be on its way, and nobody shall linger in the room.
    const isOpen = this.#phase === "greeting" || this.#phase === "ready";
    const bye = isOpen ? [transmit({ type: "bye" })] : [];
    const drop: Effect[] =
      this.#phase === "waiting" || this.#phase === "closed" ? [] : [{ effect: "disconnect" }];
    this.#forgetConnection();
    this.#awaitsToken = false;
    this.#phase = "closed";
    return [...bye, ...drop];
  }

  /** Does what is due. */
  expire(now: number): Effect[] {
    const isDue = (at: number | null) => at !== null && now >= at;
    if (isDue(this.#connectBy))
      return [{ effect: "disconnect" }, ...this.closed(ABNORMAL_CLOSE, "timed out", now)];
    if (isDue(this.#deadAt)) {
      const reason = "nothing was heard from the server";
      return [{ effect: "disconnect" }, ...this.closed(ABNORMAL_CLOSE, reason, now)];
    }
    if (isDue(this.#retryAt)) return this.#connect(now);
    const effects: Effect[] = [];
    if (isDue(this.#ackAt)) effects.push(this.#acknowledge());
    if (isDue(this.#pingAt)) {
      // Dead is only who was asked and didn't answer: a timer may come hours late, after a sleep.
      this.#pingAt = null;
      this.#deadAt = now + this.#pingIntervalMs;
      effects.push(transmit({ type: "ping" }));
    }
    if (isDue(this.#refreshAt)) {
      this.#refreshAt = null;
      effects.push(...this.#askForToken());
    }
    return effects;
  }

  /** When to call `expire`; null for not yet. */
  nextDeadline(): number | null {
    const deadlines = [
      this.#connectBy,
      this.#retryAt,
      this.#ackAt,
      this.#pingAt,
      this.#deadAt,
      this.#refreshAt,
    ].filter((at) => at !== null);
    return deadlines.length > 0 ? Math.min(...deadlines) : null;
  }

  // The parts.

  #connect(now: number): Effect[] {
    this.#forgetConnection();
    this.#phase = "connecting";
    this.#connectBy = now + CONNECT_TIMEOUT_MS;
    return [{ effect: "open" }];
  }

  #welcomed(welcome: Welcome, now: number): Effect[] {
    const connectingMs = now - (this.#connectBy ?? now) + CONNECT_TIMEOUT_MS;
    this.#checkTimeoutMs = Math.min(Math.max(connectingMs, CHECK_TIMEOUT_MIN_MS), CHECK_TIMEOUT_MAX_MS);
    this.#connectBy = null;
    this.#phase = "ready";
    this.#attempt = 0;
    this.#reconnectWithinMs = null;
    this.#askedForToken = false;
    this.#pingIntervalMs = welcome.limits.pingIntervalS * 1000;
    this.heard(now);
    this.#noteExpiry(welcome.expiresInS, now);
    const asked = this.#resumeToken !== null;
    this.#resumeToken = welcome.resumeToken;
    if (asked && welcome.recovered) return this.#goOn(welcome, now);
    const recovered = this.#wasWelcomed ? false : null;
    this.#wasWelcomed = true;
    if (asked) this.#stream = new Stream();
    this.#told = 0;
    return [{ effect: "welcomed", welcome, recovered }];
  }

  #goOn(welcome: Welcome, now: number): Effect[] {
    const missed = this.#stream.replay(welcome.received ?? 0);
    if (missed === null) {
      // More was waiting than is kept: begin anew, honestly.
      this.#resumeToken = null;
      return [transmit({ type: "bye" }), { effect: "disconnect" }, { effect: "lost" }, ...this.#connect(now)];
    }
    // An acknowledgement first: it shows the server that this welcome has arrived.
    const again = missed.map((text): Effect => ({ effect: "transmit", text }));
    return [{ effect: "welcomed", welcome, recovered: true }, this.#acknowledge(), ...again];
  }

  #counted(message: CountedMessage, now: number): Effect[] {
    this.#stream.received++;
    const effects: Effect[] = [{ effect: "deliver", message }];
    if (message.type === "authorized") {
      this.#askedForToken = false;
      this.#noteExpiry(message.expiresInS, now);
    }
    if (this.#stream.received - this.#told >= ACK_AFTER_MESSAGES) effects.push(this.#acknowledge());
    else this.#ackAt ??= now + ACK_AFTER_MS;
    return effects;
  }

  #acknowledge(): Effect {
    this.#ackAt = null;
    this.#told = this.#stream.received;
    return transmit({ type: "ack", received: this.#told });
  }

  #noteExpiry(expiresInS: number | undefined, now: number): void {
    if (expiresInS === undefined || !this.#options.refreshes) return;
    const leftMs = expiresInS * 1000;
    const isShort = leftMs < REFRESH_AT_MS * 5;
    this.#refreshAt = now + Math.max(leftMs - REFRESH_AT_MS, isShort ? leftMs * 0.8 : 0);
  }

  #askForToken(): Effect[] {
    this.#askedForToken = true;
    return [{ effect: "need-token" }];
  }

  #isAboutToken(code: number): boolean {
    return code === TOKEN_EXPIRED || (code === UNAUTHORIZED && TOKEN_ERRORS.includes(this.#error));
  }

  #nextDelayMs(now: number): number | null {
    const { policy, random } = this.#options;
    const withinMs = this.#reconnectWithinMs;
    if (withinMs === null) return policy.nextDelayMs(this.#attempt++, now - this.#lostAt);
    this.#reconnectWithinMs = null;
    return withinMs * random();
  }

  #end(code: number, reason: string): Effect[] {
    this.#phase = "closed";
    return [{ effect: "ended", code, reason, error: this.#error }];
  }

  #forgetConnection(): void {
    this.#connectBy = this.#retryAt = this.#ackAt = null;
    this.#pingAt = this.#deadAt = this.#refreshAt = null;
  }
}

function transmit(message: Hello | Ack | Plain): Effect {
  return { effect: "transmit", text: textOf(message) };
}

function textOf(message: Hello | Ack | Plain | Token): string {
  return JSON.stringify(message);
}
