/**
 * The connection to the server: one WebSocket after another, for as long as the policy allows.
 *
 *               open, hello + join        roster
 *     connecting ────────────────> connecting ──> joined
 *      │   ^  ^                        │            │ closed, to be reopened
 *      │   │  └─── delay or `online` ──┴─ waiting <─┘
 *      └───┴── first attempt failed, final close code, policy gives up, close() ──> closed
 *
 * Leaves to others: what is said on it (`room`, `mesh`).
 */

import type { CloseReason } from "./api.js";
import { reconnectsAfter, SUBPROTOCOL } from "./codes.js";
import { encode } from "./encode.js";
import type { Environment, Socket } from "./environment.js";
import { SheetbendError } from "./errors.js";
import { type ClientMessage, decodeServerMessage, type Join, type ServerMessage } from "./messages.js";
import type { ReconnectPolicy } from "./reconnect-policy.js";

/** What signalling tells its owner. */
export interface SignallingPort {
  /** How to enter the room, with the ref that tells a refusal from other errors. */
  join(): Join;
  /** The socket is open, `join` is on its way: what is sent now goes right behind it. */
  greeted(): void;
  received(message: ServerMessage): void;
  /** The connection that had joined is gone; another will be tried. */
  lost(): void;
  /** There will be no other. Called once, and not after `close()`. */
  ended(reason: CloseReason): void;
}

/** From opening a socket to the roster. */
const JOIN_TIMEOUT_MS = 10_000;
const NORMAL_CLOSE = 1000;
const ABNORMAL_CLOSE = 1006;

export class Signalling {
  readonly #url: string;
  readonly #environment: Environment;
  readonly #policy: ReconnectPolicy;
  readonly #port: SignallingPort;
  readonly #stopListening: () => void;
  #phase: "connecting" | "joined" | "waiting" | "closed" = "connecting";
  #everJoined = false;
  #socket: Socket | null = null;
  #timer = 0;
  #attempt = 0;
  #lostAt = 0;

  constructor(url: string, environment: Environment, policy: ReconnectPolicy, port: SignallingPort) {
    this.#url = url;
    this.#environment = environment;
    this.#policy = policy;
    this.#port = port;
    this.#stopListening = environment.onOnline(() => this.#networkIsBack());
  }

  get joined(): boolean {
    return this.#phase === "joined";
  }

  /** Opens the first socket. */
  start(): void {
    try {
      this.#connect();
    } catch {
      const message = `This is not a WebSocket address: ${this.#url}`;
      this.#end(NORMAL_CLOSE, message, new SheetbendError("invalid_argument", message));
    }
  }

  /**
   * Sends a message, or does nothing where there is no connection.
   *
   * @throws SheetbendError as `encode`
   */
  send(message: ClientMessage): void {
    this.#socket?.send(encode(message));
  }

  /** Says goodbye and ends. */
  close(): void {
    if (this.joined) this.send({ type: "bye" });
    this.#stop();
  }

  #connect(): void {
    this.#phase = "connecting";
    const socket = new this.#environment.WebSocket(this.#url, [SUBPROTOCOL]);
    socket.onopen = () => this.#greet(socket);
    socket.onclose = ({ code, reason }) => this.#closed(code, reason);
    this.#timer = this.#environment.setTimeout(
      () => this.#closed(ABNORMAL_CLOSE, "timed out"),
      JOIN_TIMEOUT_MS,
    );
    this.#socket = socket;
  }

  #greet(socket: Socket): void {
    if (socket.protocol !== SUBPROTOCOL) {
      this.#end(NORMAL_CLOSE, `The server doesn't speak ${SUBPROTOCOL}.`);
      return;
    }
    const join = this.#port.join();
    socket.onmessage = ({ data }) => this.#receive(decodeServerMessage(data), join.ref);
    try {
      this.send({ type: "hello", client: "sheetbend-js/0.1.0" });
      this.send(join);
    } catch (error) {
      this.#end(NORMAL_CLOSE, "The room can't be entered like this.", error);
      return;
    }
    this.#port.greeted();
  }

  #receive(message: ServerMessage | null, joinRef: string): void {
    if (!message) return;
    if (message.type === "error" && message.ref === joinRef) {
      this.#refused(new SheetbendError(message.code, message.message, message.retryable));
      return;
    }
    if (message.type === "roster") {
      this.#environment.clearTimeout(this.#timer);
      this.#phase = "joined";
      this.#everJoined = true;
      this.#attempt = 0;
    }
    this.#port.received(message);
  }

  #refused(error: SheetbendError): void {
    if (this.#everJoined && error.retryable) this.#closed(ABNORMAL_CLOSE, error.code);
    else this.#end(NORMAL_CLOSE, error.message, error);
  }

  #closed(code: number, reason: string): void {
    const wasJoined = this.joined;
    this.#discard();
    if (!this.#everJoined || !reconnectsAfter(code)) {
      this.#end(code, reason || `The connection ended with code ${code}.`);
      return;
    }
    if (wasJoined) this.#lostAt = this.#environment.now();
    this.#phase = "waiting";
    if (wasJoined) this.#port.lost();
    this.#wait(code);
  }

  #wait(code: number): void {
    const elapsedMs = this.#environment.now() - this.#lostAt;
    const delayMs = this.#policy.nextDelayMs(this.#attempt++, elapsedMs);
    if (delayMs === null) this.#end(code, "The server can't be reached.");
    else this.#timer = this.#environment.setTimeout(() => this.#connect(), delayMs);
  }

  #networkIsBack(): void {
    if (!this.#everJoined || this.joined) return;
    this.#discard();
    this.#connect();
  }

  #end(code: number, reason: string, cause?: unknown): void {
    const error = cause instanceof SheetbendError ? cause : new SheetbendError("connection_failed", reason);
    this.#stop();
    this.#port.ended({ code, reason, error });
  }

  #stop(): void {
    this.#phase = "closed";
    this.#stopListening();
    this.#discard();
  }

  /** Forgets the socket: nothing it still does is heard. */
  #discard(): void {
    this.#environment.clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }
}
