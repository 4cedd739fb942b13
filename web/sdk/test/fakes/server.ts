/** A server that speaks `sheetbend.v1` for one room, and the sockets to it. */

import { fromHex, toHex } from "../../src/bytes.js";
import type { Socket } from "../../src/environment.js";
import type { Clock } from "./clock.js";

type Message = { type: string; [key: string]: unknown };

const UNCOUNTED = ["hello", "welcome", "ack", "ping", "pong", "draining"];
const EVERYBODY = ["publish", "subscribe", "message"];

interface Record {
  userId: string;
  name: string;
  attributes: object;
  can: string[];
  muted?: boolean;
  key?: string;
}

interface Entry {
  offset: number;
  sender: string;
  name: string;
  data: unknown;
  time: number;
  id?: unknown;
}

/** One participant's life on the server. */
class Session {
  readonly userId: string;
  socket: FakeSocket | null = null;
  resumeToken = "";
  /** Counted messages that came, and those that were sent, all of them. */
  received = 0;
  readonly sent: object[] = [];
  /** Places of messages by their ids. */
  readonly ids = new Map<unknown, number>();
  /** Its `join`, while it is in the lobby. */
  waiting: Message | null = null;
  expiry = 0;

  constructor(userId: string) {
    this.userId = userId;
  }
}

export class FakeSocket implements Socket {
  readonly protocol: string = "sheetbend.v1";
  onopen: Socket["onopen"] = null;
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  isOpen = false;
  /** The network is gone, and neither side knows. */
  isCut = false;
  binaryType: BinaryType = "blob";
  bufferedAmount = 0;
  readonly sent: Message[] = [];
  /** Binary messages. */
  readonly frames: Uint8Array[] = [];
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

  send(text: string | Uint8Array<ArrayBuffer>): void {
    if (!this.isOpen) return;
    if (typeof text !== "string") {
      this.frames.push(text);
      if (!this.isCut) this.#server.relay(this, text.slice());
      return;
    }
    const message: Message = JSON.parse(text);
    this.sent.push(message);
    if (!this.isCut) this.#server.receive(this, message);
  }

  close(): void {
    this.isOpen = false;
    this.#server.gone(this);
  }

  /** The server's message arrives, a moment later. */
  deliver(message: object): void {
    this.#queue = this.#queue.then(() => (this.isCut ? undefined : this.hear(JSON.stringify(message))));
  }

  /** A relay frame arrives, a moment later. */
  bring(frame: Uint8Array<ArrayBuffer>): void {
    this.#queue = this.#queue.then(() => (this.isCut ? undefined : this.hear(frame.buffer)));
  }

  hear(data: string | ArrayBuffer): void {
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
  iceServers: object[] = [];
  /** In order of entering. */
  readonly members = new Map<Session, Record>();
  readonly sockets: FakeSocket[] = [];
  isUp = true;
  /** How long a session outlives its connection. */
  graceMs = 30_000;
  /** Keeps members whose sockets are gone, as a server does that hasn't noticed. */
  isBlind = false;
  /** What it doesn't take. */
  loses: (message: Message) => boolean = () => false;
  /** What it doesn't get across. */
  withholds: (message: object) => boolean = () => false;
  /** Answers nothing while true. */
  isSilent = false;
  /** Whether it relays frames. */
  relays = true;
  /** What it does to relay frames on their way; null drops one. */
  meddle: (frame: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer> | null = (frame) => frame;
  /** Makes everybody a moderator. */
  areAllModerators = true;
  /** What those may do who enter from now on. */
  grants: string[] = EVERYBODY;
  access = "open";
  /** The tokens it takes, and for how many seconds; null for a server that asks for none. */
  tokens: Map<string, number> | null = null;
  historyComplete = true;
  /** Sends the whole history, whatever one has seen. */
  ignoresSince = false;
  readonly history: Entry[] = [];
  readonly #clock: Clock;
  readonly #sessions = new Set<Session>();
  #offset = 0;
  #ids = 0;
  #epoch = 1;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

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
    this.forget();
    for (const socket of this.sockets) socket.end(1006);
  }

  /** Forgets every session, and the room. */
  forget(): void {
    for (const session of this.#sessions) this.#clock.clearTimeout(session.expiry);
    this.#sessions.clear();
    this.members.clear();
    this.history.length = 0;
    this.#offset = 0;
    this.#epoch++;
  }

  get offset(): number {
    return this.#offset;
  }

  receive(socket: FakeSocket, message: Message): void {
    if (message.type === "hello") {
      this.#greet(socket, message);
      return;
    }
    const session = this.#sessionOf(socket);
    if (!session || this.loses(message)) return;
    if (!UNCOUNTED.includes(message.type)) session.received++;
    if (message.type === "bye") this.#end(session, "leave");
    else if (!this.isSilent) this.#serve(session, message);
  }

  relay(socket: FakeSocket, frame: Uint8Array<ArrayBuffer>): void {
    const sender = this.#sessionOf(socket);
    const target = toHex(frame.subarray(9, 25));
    const other = [...this.members.keys()].find(({ userId }) => userId === target);
    if (!sender || !this.members.has(sender) || !other || this.isSilent) return;
    frame.set(fromHex(sender.userId), 9);
    const brought = this.meddle(frame);
    if (brought) other.socket?.bring(brought);
  }

  gone(socket: FakeSocket): void {
    const session = this.#sessionOf(socket);
    if (!session || this.isBlind) return;
    session.socket = null;
    if (this.graceMs === 0) this.#end(session, "disconnect");
    else session.expiry = this.#clock.setTimeout(() => this.#end(session, "disconnect"), this.graceMs);
  }

  /** Sends a message to a user, counted. */
  tell(userId: string, message: object): void {
    for (const session of this.#sessions) if (session.userId === userId) this.#tell(session, message);
  }

  broadcast(message: object, except?: Session): void {
    for (const session of this.members.keys()) if (session !== except) this.#tell(session, message);
  }

  #sessionOf(socket: FakeSocket): Session | undefined {
    return [...this.#sessions].find((session) => session.socket === socket);
  }

  #tell(session: Session, message: object): void {
    session.sent.push(message);
    if (!this.withholds(message)) session.socket?.deliver(message);
  }

  #greet(socket: FakeSocket, { token, resume }: Message): void {
    const expiresInS = this.tokens?.get(String(token));
    if (this.tokens && expiresInS === undefined) {
      const code = token === undefined ? "token_required" : "invalid_token";
      socket.deliver({ type: "error", code, message: "no", retryable: false });
      queueMicrotask(() => queueMicrotask(() => socket.end(4001)));
      return;
    }
    const { token: resumeToken, received } = Object(resume);
    const old = [...this.#sessions].find((session) => resume && session.resumeToken === resumeToken);
    const session = old ?? new Session((++this.#ids).toString(16).padStart(32, "0"));
    this.#clock.clearTimeout(session.expiry);
    this.#sessions.add(session);
    const taken = session.socket;
    session.socket = socket;
    taken?.fail(4003);
    session.resumeToken = `resume-${++this.#ids}`;
    socket.deliver({
      type: "welcome",
      userId: session.userId,
      server: "fake",
      features: this.relays ? ["relay"] : [],
      iceServers: this.iceServers,
      limits: { pingIntervalS: 15 },
      resumeToken: session.resumeToken,
      can: this.grants,
      expiresInS,
      ...(resume ? { recovered: old !== undefined } : {}),
      ...(old ? { received: old.received } : {}),
    });
    if (old) for (const message of old.sent.slice(Number(received))) socket.deliver(message);
  }

  #serve(session: Session, message: Message): void {
    const member = this.members.get(session);
    if (message.type === "join") this.#join(session, message);
    else if (message.type === "ping") session.socket?.deliver({ type: "pong" });
    else if (message.type === "token") this.#renew(session, message);
    else if (message.type === "ack") return;
    else if (!member) this.#refuse(session, message, "not_in_room");
    else if (message.type === "message") this.#say(session, member, message);
    else if (message.type === "update") this.#update(session, member, message);
    else if (message.target) this.#forward(session, member, message);
    else this.#moderate(session, message);
  }

  #refuse(session: Session, { ref }: Message, code: string, retryable = false): void {
    this.#tell(session, { type: "error", code, message: "no", retryable, ref });
  }

  #renew(session: Session, message: Message): void {
    const expiresInS = this.tokens?.get(String(message.token));
    if (expiresInS === undefined) this.#refuse(session, message, "invalid_token");
    else this.#tell(session, { type: "authorized", can: this.grants, expiresInS });
  }

  #join(session: Session, message: Message): void {
    const { name, attributes, since, key, ref } = message;
    if (this.access === "locked") {
      this.#refuse(session, message, "room_locked", true);
      return;
    }
    const { userId } = session;
    const can = this.areAllModerators ? [...this.grants, "moderate"] : this.grants;
    const record: Record = { userId, name: String(name), attributes: Object(attributes), can };
    if (typeof key === "string") record.key = key;
    if (this.access === "lobby" && session.waiting !== message) {
      session.waiting = message;
      this.#tell(session, { type: "waiting", roomId: "demo", ref });
      this.broadcast({ type: "knock", roomId: "demo", member: record });
      return;
    }
    session.waiting = null;
    const others = [...this.members.values()].map((member) => ({ ...member, polite: true }));
    this.members.set(session, record);
    const offset = ++this.#offset;
    const { epoch, offset: seen } = Object(since);
    const isSame = epoch === `e${this.#epoch}`;
    this.#tell(session, {
      type: "roster",
      roomId: "demo",
      epoch: `e${this.#epoch}`,
      offset,
      access: this.access,
      you: record,
      members: others,
      history: this.history.filter((entry) => this.ignoresSince || !isSame || entry.offset > seen),
      complete: this.historyComplete && (this.ignoresSince || isSame || !since),
      waiting: [...this.#sessions].flatMap((each) =>
        each.waiting ? { userId: each.userId, name: each.waiting.name, attributes: {} } : [],
      ),
      ref,
    });
    this.broadcast(
      { type: "user-joined", roomId: "demo", offset, member: { ...record, polite: false } },
      session,
    );
  }

  #end(session: Session, reason: string, ref?: unknown): void {
    this.#clock.clearTimeout(session.expiry);
    this.#sessions.delete(session);
    if (session.waiting) this.broadcast({ type: "knock-ended", roomId: "demo", userId: session.userId });
    this.#leave(session, reason, ref);
  }

  #leave(session: Session, reason: string, ref?: unknown): void {
    if (!this.members.has(session)) return;
    const offset = ++this.#offset;
    const message = { type: "user-left", roomId: "demo", offset, userId: session.userId, reason, ref };
    this.broadcast(message);
    this.members.delete(session);
  }

  #say(session: Session, member: Record, message: Message): void {
    const { data, to, id, ref } = message;
    if (!member.can.includes("message")) {
      this.#refuse(session, message, "not_allowed");
      return;
    }
    const known = session.ids.get(id);
    const offset = known ?? ++this.#offset;
    session.ids.set(id, offset);
    this.#tell(session, { type: "accepted", roomId: "demo", epoch: `e${this.#epoch}`, offset, id, ref });
    if (known !== undefined) return;
    const entry = { offset, sender: member.userId, data, time: 1000 + offset, id };
    if (!to) this.history.push({ ...entry, name: member.name });
    for (const [reader, { userId }] of this.members) {
      if (!Array.isArray(to) || to.includes(userId) || userId === member.userId)
        this.#tell(reader, { type: "message", roomId: "demo", ...entry, to, ref });
    }
  }

  #update(_session: Session, member: Record, { name, attributes, ref }: Message): void {
    if (name !== undefined) member.name = String(name);
    member.attributes = { ...member.attributes, ...Object(attributes) };
    this.#updated(member, ref);
  }

  /** Tells everybody of a member that has changed. */
  #updated(member: Record, ref?: unknown): void {
    const offset = ++this.#offset;
    this.broadcast({ type: "user-updated", roomId: "demo", offset, member: { ...member }, ref });
  }

  /** Gives a member other rights. */
  grant(userId: string, can: string[]): void {
    const member = [...this.members.values()].find((each) => each.userId === userId);
    if (!member) throw new Error(`nobody is ${userId}`);
    member.can = can;
    this.#updated(member);
  }

  #forward(session: Session, member: Record, message: Message): void {
    const { target, ref, ...rest } = message;
    const other = [...this.members].find(([, { userId }]) => userId === target);
    if (other) this.#tell(other[0], { ...rest, sender: member.userId });
    else this.#refuse(session, message, "target_not_found", true);
  }

  #moderate(session: Session, message: Message): void {
    const { type, userId, access, messages, media, ref } = message;
    const target = [...this.#sessions].find((each) => each.userId === userId);
    const member = target && this.members.get(target);
    if (!this.members.get(session)?.can.includes("moderate")) {
      this.#refuse(session, message, "not_allowed");
    } else if (type === "set-access") {
      this.access = String(access);
      this.broadcast({ type: "room-updated", roomId: "demo", offset: ++this.#offset, access, ref });
    } else if (type === "admit" || type === "reject") {
      this.#decide(session, message, target);
    } else if (!target || !member) {
      this.#refuse(session, message, "target_not_found", true);
    } else if (type === "remove") {
      this.#leave(target, "removed", ref);
    } else {
      if (messages !== undefined) {
        member.muted = messages === true;
        this.#updated(member, ref);
      }
      if (media) {
        const sender = session.userId;
        this.#tell(target, { type: "mute-requested", roomId: "demo", sender, media });
      }
    }
  }

  #decide(session: Session, message: Message, target: Session | undefined): void {
    const join = target?.waiting;
    if (!target || !join) {
      this.#refuse(session, message, "not_waiting");
      return;
    }
    if (message.type === "admit") this.#join(target, join);
    else this.#refuse(target, join, "not_admitted");
    target.waiting = null;
    this.broadcast({ type: "knock-ended", roomId: "demo", userId: target.userId, ref: message.ref });
  }
}
