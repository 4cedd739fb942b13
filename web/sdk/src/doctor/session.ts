/** A session on the server, as small as one can be. */

import { SUBPROTOCOL } from "../codes.js";
import { isObject, isString, parseObject } from "../messages.js";
import { CLIENT } from "./client.js";
import { Failed, whenEnded } from "./trying.js";

export interface Welcome {
  readonly userId: string;
  readonly server: string | null;
  readonly features: readonly unknown[];
  readonly iceServers: readonly RTCIceServer[];
}

type Message = { readonly [key: string]: unknown };

export class Session {
  /** Called with each relay frame. */
  onRelayed: (frame: Uint8Array) => void = () => {};
  readonly welcome: Welcome;
  readonly #socket: WebSocket;
  readonly #inbox: Inbox;

  private constructor(socket: WebSocket, inbox: Inbox, welcome: Welcome) {
    this.#socket = socket;
    this.#inbox = inbox;
    this.welcome = welcome;
    inbox.onBinary = (frame) => this.onRelayed(frame);
  }

  /** Rejects with Failed. The connection lives until `signal` fires, or `opening` does before it is there. */
  static async open(
    url: string,
    token: string | null,
    signal: AbortSignal,
    opening: AbortSignal,
  ): Promise<Session> {
    const socket = new WebSocket(url, [SUBPROTOCOL]);
    socket.binaryType = "arraybuffer";
    const inbox = new Inbox(socket);
    let isOpen = false;
    whenEnded(signal, () => close(socket));
    whenEnded(opening, () => isOpen || close(socket));
    await inbox.opened;
    socket.send(
      JSON.stringify({
        type: "hello",
        client: CLIENT,
        features: ["relay"],
        ...(token !== null && { token }),
      }),
    );
    const welcome = welcomeOf(await inbox.answer("welcome"));
    isOpen = true;
    return new Session(socket, inbox, welcome);
  }

  async join(roomId: string): Promise<void> {
    this.#socket.send(JSON.stringify({ type: "join", roomId }));
    await this.#inbox.answer("roster");
  }

  relay(frame: Uint8Array<ArrayBuffer>): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(frame);
  }
}

/** What came and nobody asked for yet. */
class Inbox {
  onBinary: (frame: Uint8Array) => void = () => {};
  readonly opened: Promise<void>;
  readonly #messages: Message[] = [];
  #wake: () => void = () => {};

  constructor(socket: WebSocket) {
    this.opened = new Promise((resolve, reject) => {
      socket.onopen = () => resolve();
      socket.onclose = () => {
        reject(new Failed("no_websocket", "No WebSocket came about."));
        this.#put({ type: "error", code: "connection_lost", message: "The connection was closed." });
      };
    });
    socket.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (data instanceof ArrayBuffer) this.onBinary(new Uint8Array(data));
      else this.#put(parseObject(data) ?? {});
    };
  }

  /** The next message of this type. Rejects with the next error. */
  async answer(type: string): Promise<Message> {
    for (;;) {
      const message = this.#messages.shift();
      if (message === undefined) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      } else if (message.type === type) {
        return message;
      } else if (message.type === "error") {
        throw new Failed(String(message.code), String(message.message));
      }
    }
  }

  #put(message: Message): void {
    this.#messages.push(message);
    this.#wake();
  }
}

function close(socket: WebSocket): void {
  if (socket.readyState === WebSocket.OPEN) socket.send('{"type":"bye"}'); // the server ends the session at once
  socket.close();
}

function welcomeOf({ userId, server, features, iceServers }: Message): Welcome {
  if (!isString(userId))
    throw new Failed("not_sheetbend", "What answers doesn't speak as the protocol says.");
  return {
    userId,
    server: isString(server) ? server : null,
    features: Array.isArray(features) ? features : [],
    iceServers: Array.isArray(iceServers) ? iceServers.filter(isObject).flatMap(iceServerOf) : [],
  };
}

function iceServerOf({ urls, username, credential }: Message): RTCIceServer[] {
  if (!Array.isArray(urls)) return [];
  const server = { urls: urls.filter(isString) };
  return [isString(username) && isString(credential) ? { ...server, username, credential } : server];
}
