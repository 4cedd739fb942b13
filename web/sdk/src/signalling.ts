/**
 * The session (`session`) on a real WebSocket, real timers and the application's tokens: does its effects, in order.
 *
 * Leaves to others: what is said on it (`room`, `mesh`).
 */

import type { CloseReason, ConnectOptions } from "./api.js";
import { SUBPROTOCOL, TOKEN_EXPIRED } from "./codes.js";
import { encode } from "./encode.js";
import type { Environment, Socket } from "./environment.js";
import { SheetbendError } from "./errors.js";
import {
  type ClientMessage,
  decodeServerMessage,
  isString,
  type RoomEvent,
  type Unknown,
  type Welcome,
} from "./messages.js";
import type { ReconnectPolicy } from "./reconnect-policy.js";
import { type Effect, Session } from "./session.js";

/** What signalling tells its owner. */
export interface SignallingPort {
  /** Hello of a new session is on its way: what is sent now goes right behind it. */
  greeted(): void;
  /**
   * The session is open. `recovered` is null for the first one of all; false if it is another one than before, in no
   * room, and what was sent and not answered yet may or may not have arrived.
   */
  welcomed(welcome: Welcome, recovered: boolean | null): void;
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

export class Signalling {
  readonly #url: string;
  readonly #environment: Environment;
  readonly #token: ConnectOptions["token"];
  readonly #port: SignallingPort;
  readonly #session: Session;
  readonly #stopListening: () => void;
  readonly #due: Effect[] = [];
  #isBegun = false;
  #isClosed = false;
  #socket: Socket | null = null;
  #checkedAt = Number.NEGATIVE_INFINITY;
  #timer = 0;
  #timerAt: number | null = null;
  #tokenTimer = 0;

  constructor(
    url: string,
    environment: Environment,
    { policy, token, features, relayOnly }: SignallingOptions,
    port: SignallingPort,
  ) {
    this.#url = url;
    this.#environment = environment;
    this.#token = token;
    this.#port = port;
    this.#session = new Session({
      client: "sheetbend-js/0.1.0",
      features,
      relayOnly,
      policy,
      random: environment.random,
      refreshes: typeof token === "function",
    });
    this.#stopListening = environment.onNetworkChange(() =>
      this.#do((now) => this.#session.networkBack(now)),
    );
  }

  /** Opens the first connection. */
  start(): void {
    if (typeof this.#token === "function") this.#askForToken(1);
    else this.#begin(this.#token);
  }

  /**
   * Sends a message, now or when the session goes on. Does nothing where there is none.
   *
   * @throws SheetbendError as `encode`
   */
  send(message: ClientMessage): void {
    const text = encode(message);
    this.#do(() => this.#session.send(text));
  }

  /** Sends a binary message, if there is a connection that takes it. */
  sendFrame(frame: Uint8Array<ArrayBuffer>): void {
    this.#socket?.send(frame);
  }

  /** Bytes that the connection has taken and not sent yet. */
  get bufferedBytes(): number {
    return this.#socket?.bufferedAmount ?? 0;
  }

  /** Finds out whether the connection still works: something doesn't come back. */
  check(): void {
    const now = this.#environment.now();
    if (now - this.#checkedAt < CHECK_MS) return;
    this.#checkedAt = now;
    this.#do(() => this.#session.check(now));
  }

  /** Says goodbye and ends. */
  close(): void {
    this.#isClosed = true;
    this.#stopListening();
    this.#environment.clearTimeout(this.#tokenTimer);
    this.#do(() => this.#session.close());
  }

  #begin(token: string | undefined): void {
    this.#isBegun = true;
    if (token !== undefined) this.#do((now) => this.#session.authorize(token, now));
    this.#do((now) => this.#session.start(now));
  }

  /** What an effect brings about is done behind the effects that are still due: what is sent keeps its order. */
  #do(input: (now: number) => Effect[]): void {
    this.#due.push(...input(this.#environment.now()));
    for (let effect = this.#due.shift(); effect; effect = this.#due.shift()) this.#perform(effect);
    this.#arm();
  }

  #perform(effect: Effect): void {
    if (effect.effect === "transmit") this.#socket?.send(effect.text);
    else if (effect.effect === "disconnect") this.#discard();
    else if (!this.#isClosed) this.#tell(effect);
  }

  #tell(effect: Exclude<Effect, { effect: "transmit" | "disconnect" }>): void {
    switch (effect.effect) {
      case "open":
        this.#open();
        break;
      case "greeted":
        this.#port.greeted();
        break;
      case "welcomed":
        this.#port.welcomed(effect.welcome, effect.recovered);
        break;
      case "deliver":
        if (effect.message.type !== "authorized" && effect.message.type !== "unknown")
          this.#port.received(effect.message);
        break;
      case "lost":
        this.#port.lost();
        break;
      case "need-token":
        this.#askForToken(TOKEN_TRIES);
        break;
      case "ended":
        this.#ended(effect);
    }
  }

  #open(): void {
    this.#discard();
    try {
      this.#listen(new this.#environment.WebSocket(this.#url, [SUBPROTOCOL]));
    } catch {
      const error = new SheetbendError("invalid_argument", `This is not a WebSocket address: ${this.#url}`);
      this.#end(NORMAL_CLOSE, error);
    }
  }

  #listen(socket: Socket): void {
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      if (socket.protocol === SUBPROTOCOL) this.#do(() => this.#session.opened());
      else
        this.#end(
          NORMAL_CLOSE,
          new SheetbendError("connection_failed", `The server doesn't speak ${SUBPROTOCOL}.`),
        );
    };
    socket.onmessage = ({ data }) => {
      if (data instanceof ArrayBuffer) {
        this.#session.heard(this.#environment.now());
        if (!this.#isClosed) this.#port.frame(new Uint8Array(data));
        return;
      }
      const message = decodeServerMessage(data) ?? UNKNOWN;
      this.#do((now) => this.#session.received(message, now));
    };
    socket.onclose = ({ code, reason }) => {
      this.#discard();
      this.#do((now) => this.#session.closed(code, reason, now));
    };
  }

  async #askForToken(tries: number): Promise<void> {
    const token = await this.#freshToken();
    if (this.#isClosed) return;
    if (isString(token)) {
      if (this.#isBegun) this.#do((now) => this.#session.authorize(token, now));
      else this.#begin(token);
      return;
    }
    const left = this.#isBegun && !this.#session.awaitsToken ? tries : tries - 1;
    this.#environment.clearTimeout(this.#tokenTimer);
    if (left === 0) this.#end(NORMAL_CLOSE, token);
    else this.#tokenTimer = this.#environment.setTimeout(() => this.#askForToken(left), TOKEN_RETRY_MS);
  }

  async #freshToken(): Promise<string | SheetbendError> {
    const error = new SheetbendError("token_unavailable", "The function that gets tokens gave none.");
    try {
      const token: unknown = typeof this.#token === "function" ? await this.#token() : this.#token;
      if (isString(token)) return token;
    } catch (cause) {
      error.cause = cause;
    }
    return error;
  }

  #ended({ code, reason, error }: { code: number; reason: string; error: string | null }): void {
    const name = error ?? (code === TOKEN_EXPIRED ? "token_expired" : "connection_failed");
    this.#end(code, new SheetbendError(name, reason || `The connection ended with code ${code}.`));
  }

  #end(code: number, error: SheetbendError): void {
    this.close();
    this.#port.ended({ code, reason: error.message, error });
  }

  #arm(): void {
    const at = this.#session.nextDeadline();
    if (this.#timerAt !== null && at !== null && this.#timerAt <= at) return; // It will see that it came early.
    this.#environment.clearTimeout(this.#timer);
    this.#timerAt = at;
    if (at === null) return;
    this.#timer = this.#environment.setTimeout(
      () => {
        this.#timerAt = null;
        this.#do((due) => this.#session.expire(due));
      },
      Math.max(0, Math.ceil(at - this.#environment.now())),
    );
  }

  /** Forgets the socket: nothing it still does is heard. */
  #discard(): void {
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }
}
