/** A server that speaks `sheetbend.v1` for one room, and the sockets to it. */

import type { Socket } from "../../src/environment.js";

type Message = { type: string; [key: string]: unknown };
type Record = { userId: string; name: string; attributes: object };

export class FakeSocket implements Socket {
  readonly protocol: string = "sheetbend.v1";
  onopen: Socket["onopen"] = null;
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  isOpen = false;
  readonly sent: Message[] = [];
  readonly #server: FakeServer;
  #queue: Promise<void> = Promise.resolve();

  constructor(server: FakeServer) {
    this.#server = server;
  }

  /** The socket opens. */
  open(): void {
    this.isOpen = true;
    this.onopen?.call(this as unknown as WebSocket, new Event("open"));
  }

  send(text: string): void {
    if (!this.isOpen) return;
    const message: Message = JSON.parse(text);
    this.sent.push(message);
    this.#server.receive(this, message);
  }

  close(): void {
    this.isOpen = false;
    this.#server.gone(this);
  }

  /** The server's message arrives, a moment later. */
  deliver(message: object): void {
    this.#queue = this.#queue.then(() => this.hear(JSON.stringify(message)));
  }

  hear(data: string): void {
    this.onmessage?.call(this as unknown as WebSocket, new MessageEvent("message", { data }));
  }

  /** The connection ends. */
  end(code: number): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.#server.gone(this);
    this.fail(code);
  }

  fail(code: number): void {
    this.onclose?.call(
      this as unknown as WebSocket,
      Object.assign(new Event("close"), { code, reason: "" }) as CloseEvent,
    );
  }
}

export class FakeServer {
  /** In order of entering. */
  readonly members = new Map<FakeSocket, Record>();
  readonly sockets: FakeSocket[] = [];
  isUp = true;
  /** Keeps members whose sockets are gone, as a server does that hasn't noticed. */
  isBlind = false;
  /** What it doesn't forward. */
  loses: (message: Message) => boolean = () => false;
  /** Answers no requests while true. */
  isSilent = false;
  #offset = 0;
  #ids = 0;
  readonly #welcomed = new Map<FakeSocket, string>();

  /** What `new WebSocket()` does. */
  connect(): FakeSocket {
    const socket = new FakeSocket(this);
    this.sockets.push(socket);
    queueMicrotask(() => (this.isUp ? socket.open() : socket.fail(1006)));
    return socket;
  }

  /** Ends all connections and forgets everything. */
  crash(): void {
    this.isUp = false;
    this.members.clear();
    for (const socket of this.sockets) socket.end(1006);
  }

  socketOf(userId: string): FakeSocket {
    const entry = [...this.members].find(([, member]) => member.userId === userId);
    if (!entry) throw new Error(`nobody is ${userId}`);
    return entry[0];
  }

  receive(socket: FakeSocket, message: Message): void {
    const member = this.members.get(socket);
    if (message.type === "hello") this.#welcome(socket);
    else if (message.type === "join") this.#join(socket, message);
    else if (message.type === "bye") this.#leave(socket, "leave");
    else if (member && !this.isSilent && !this.loses(message)) this.#serve(member, message);
  }

  gone(socket: FakeSocket): void {
    if (!this.isBlind) this.#leave(socket, "disconnect");
  }

  broadcast(message: object, except?: FakeSocket): void {
    for (const socket of this.members.keys()) if (socket !== except) socket.deliver(message);
  }

  #welcome(socket: FakeSocket): void {
    const userId = (++this.#ids).toString(16).padStart(32, "0");
    this.#welcomed.set(socket, userId);
    socket.deliver({ type: "welcome", userId, server: "fake", features: [], iceServers: [], limits: {} });
  }

  #join(socket: FakeSocket, { name, attributes, ref }: Message): void {
    const userId = this.#welcomed.get(socket) ?? "";
    const record = { userId, name: String(name), attributes: Object(attributes) };
    const others = [...this.members.values()].map((member) => ({ ...member, polite: true }));
    this.members.set(socket, record);
    const offset = ++this.#offset;
    socket.deliver({ type: "roster", roomId: "demo", epoch: "e", offset, members: others, ref });
    this.broadcast(
      { type: "user-joined", roomId: "demo", offset, member: { ...record, polite: false } },
      socket,
    );
  }

  #leave(socket: FakeSocket, reason: string): void {
    const member = this.members.get(socket);
    if (!this.members.delete(socket) || !member) return;
    const { userId } = member;
    this.broadcast({ type: "user-left", roomId: "demo", offset: ++this.#offset, userId, reason });
  }

  #serve(member: Record, message: Message): void {
    if (message.type === "message") this.#say(member, message);
    else if (message.type === "update") this.#update(member, message);
    else this.#forward(member, message);
  }

  #say(member: Record, { data, to, ref }: Message): void {
    const message = {
      type: "message",
      roomId: "demo",
      offset: ++this.#offset,
      sender: member.userId,
      data,
      to,
      ref,
    };
    for (const [socket, { userId }] of this.members) {
      if (!Array.isArray(to) || to.includes(userId) || userId === member.userId) socket.deliver(message);
    }
  }

  #update(member: Record, { name, attributes, ref }: Message): void {
    if (name !== undefined) member.name = String(name);
    member.attributes = { ...member.attributes, ...Object(attributes) };
    this.broadcast({
      type: "user-updated",
      roomId: "demo",
      offset: ++this.#offset,
      member: { ...member },
      ref,
    });
  }

  #forward(member: Record, { target, ref, ...rest }: Message): void {
    const entry = [...this.members].find(([, { userId }]) => userId === target);
    if (entry) entry[0].deliver({ ...rest, sender: member.userId });
    else {
      const code = "target_not_found";
      this.socketOf(member.userId).deliver({ type: "error", code, message: "nobody", retryable: true, ref });
    }
  }
}
