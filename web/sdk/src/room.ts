/** A room: puts signalling, the mesh, requests and publications together, and is what the application holds. */

import type {
  Attributes,
  CloseReason,
  ConnectOptions,
  Json,
  Member,
  Publication,
  Room,
  RoomEvents,
  RoomMessage,
  RoomState,
  Self,
} from "./api.js";
import { MESSAGE_TARGETS_MAX } from "./codes.js";
import { Emitter } from "./emitter.js";
import type { Environment } from "./environment.js";
import { SheetbendError } from "./errors.js";
import { Mesh } from "./mesh.js";
import type {
  Join,
  MemberRecord,
  Refused,
  Said,
  Say,
  ServerMessage,
  Signal,
  SignalType,
  UserUpdated,
  Welcome,
} from "./messages.js";
import { Publisher } from "./publisher.js";
import { fullJitter } from "./reconnect-policy.js";
import { Requests } from "./requests.js";
import { Signalling } from "./signalling.js";

/** Room messages kept back while it is open who their sender is; then the senders are taken for strangers. */
const HELD_MESSAGES_MAX = 256;

/** No promise waits for signalling: a target that is gone is told by `user-left` too. */
const SIGNAL_REF = "signal";

/** So many, that an application may wrap `connect` in a few async functions of its own and still be in time. */
const ANNOUNCE_AFTER_MICROTASKS = 16;

/** What `connect` waits for. */
export interface FirstOutcome {
  connected(room: Room): void;
  failed(error: SheetbendError): void;
}

export class RoomSession extends Emitter<RoomEvents> implements Room {
  readonly id: string;
  readonly #environment: Environment;
  readonly #iceServers: RTCIceServer[] | undefined;
  readonly #outcome: FirstOutcome;
  readonly #signalling: Signalling;
  readonly #mesh: Mesh;
  readonly #publisher: Publisher;
  readonly #requests: Requests;
  readonly #stopListening: () => void;
  readonly #held: Said[] = [];
  #state: RoomState = "connected";
  #self: Self;
  #configuration: RTCConfiguration = {};
  #isOpen = false;
  /** Members are announced from then on. */
  #isAnnounced = false;

  constructor(url: string, options: ConnectOptions, environment: Environment, outcome: FirstOutcome) {
    super();
    this.id = options.room;
    this.#self = { userId: "", name: options.name ?? "", attributes: options.attributes ?? {} };
    this.#environment = environment;
    this.#iceServers = options.iceServers;
    this.#outcome = outcome;
    this.#publisher = new Publisher(() => [...this.#mesh.members.values()].flatMap(({ pair }) => pair ?? []));
    this.#mesh = this.#createMesh();
    const policy = options.reconnect ?? fullJitter({ random: environment.random });
    this.#signalling = new Signalling(url, environment, policy, {
      join: () => this.#join(),
      greeted: () => this.#mesh.greet(),
      received: (message) => this.#receive(message),
      lost: () => this.#lost(),
      ended: (reason) => this.#close(reason),
    });
    this.#requests = new Requests(
      () => this.#signalling.joined,
      (message) => this.#signalling.send(message),
    );
    this.#stopListening = environment.onPageGone(() => this.leave());
  }

  get state(): RoomState {
    return this.#state;
  }

  get self(): Self {
    return this.#self;
  }

  get members(): ReadonlyMap<string, Member> {
    return this.#mesh.members;
  }

  get publications(): readonly Publication[] {
    return this.#publisher.publications;
  }

  /** Begins to connect; `outcome` hears how it went. */
  start(): void {
    this.#signalling.start();
  }

  /** Ends the attempt to connect. */
  abort(): void {
    this.#signalling.close();
    const error = new SheetbendError("aborted", "Connecting was aborted.");
    this.#close({ code: 1000, reason: "aborted", error });
  }

  async send(data: Json, { to }: { to?: readonly Member[] } = {}): Promise<{ offset: number }> {
    this.#requireOpen();
    if (to && (to.length === 0 || to.length > MESSAGE_TARGETS_MAX)) {
      throw new SheetbendError(
        "invalid_argument",
        `to has 1 to ${MESSAGE_TARGETS_MAX} members, or is left out.`,
      );
    }
    const build = (ref: string) => this.#say(data, to, ref);
    return { offset: await this.#requests.add({ build, repeatable: false }) };
  }

  async publish(stream: MediaStream, { label = "camera" }: { label?: string } = {}): Promise<Publication> {
    this.#requireOpen();
    return this.#publisher.publish(stream, label);
  }

  async update(change: { name?: string; attributes?: Attributes }): Promise<void> {
    this.#requireOpen();
    const build = (ref: string) => ({ ...change, type: "update" as const, roomId: this.id, ref });
    await this.#requests.add({ build, repeatable: true });
  }

  async leave(): Promise<void> {
    this.#signalling.close();
    this.#close({ code: 1000, reason: "left" });
  }

  #createMesh(): Mesh {
    return new Mesh(this.#environment, {
      signal: (type, target, value) => this.#signal(type, target, value),
      labels: () => this.#publisher.labels(),
      paired: (pair) => this.#publisher.giveAll(pair),
      member: (peer) => this.#isAnnounced && this.emit("member", peer),
      left: (peer, reason) => this.#isAnnounced && this.emit("left", peer, reason),
      settled: () => this.#settled(),
    });
  }

  #join(): Join {
    const { name, attributes } = this.#self;
    return { type: "join", roomId: this.id, name, attributes, ref: this.#requests.nextRef() };
  }

  #receive(message: ServerMessage): void {
    switch (message.type) {
      case "welcome":
        this.#welcomed(message);
        break;
      case "roster":
        this.#enter(message.members);
        break;
      case "user-joined":
        this.#mesh.joined(message.member);
        break;
      case "user-left":
        if (this.#held.length > 0) this.#mesh.admitAll();
        this.#mesh.left(message.userId, message.reason);
        break;
      case "user-updated":
        this.#updated(message);
        break;
      case "message":
        this.#said(message);
        break;
      case "error":
        this.#refused(message);
        break;
      default:
        this.#mesh.signal(message);
    }
  }

  #welcomed({ userId, iceServers }: Welcome): void {
    this.#self = { ...this.#self, userId };
    this.#configuration = { iceServers: this.#iceServers ?? iceServers };
  }

  #enter(others: readonly MemberRecord[]): void {
    this.#mesh.enter(this.#self.userId, others, this.#configuration);
    if (this.#isOpen) {
      this.#setState("connected");
    } else {
      this.#isOpen = true;
      this.#outcome.connected(this);
      this.#announce();
    }
    this.#requests.flush();
  }

  /** Tells of the members found on arrival, once the application had its turn to listen. */
  async #announce(): Promise<void> {
    for (let turn = 0; turn < ANNOUNCE_AFTER_MICROTASKS; turn++) await null;
    this.#isAnnounced = true;
    for (const peer of this.#mesh.members.values()) this.emit("member", peer);
  }

  #updated(message: UserUpdated): void {
    const { member } = message;
    if (member.userId !== this.#self.userId) {
      this.#mesh.updated(member);
      return;
    }
    const { userId, name, attributes } = member;
    this.#self = { userId, name, attributes };
    this.#requests.resolve(message.ref, message.offset);
  }

  #said(message: Said): void {
    if (message.sender === this.#self.userId) this.#requests.resolve(message.ref, message.offset);
    this.#held.push(message);
    if (this.#held.length > HELD_MESSAGES_MAX) this.#mesh.admitAll();
    this.#deliver();
  }

  /** Delivers what is held, in order, up to the first message of somebody who may be someone we know. */
  #deliver(): void {
    for (let next = this.#held[0]; next && !this.#mesh.isNewcomer(next.sender); next = this.#held[0]) {
      this.#held.shift();
      const sender = this.#someone(next.sender);
      if (sender) this.emit("message", this.#present(next, sender));
    }
  }

  #present({ data, offset, to }: Said, sender: Member | Self): RoomMessage {
    const message = { sender, data, offset, own: sender === this.#self };
    return to ? { ...message, to: to.flatMap((userId) => this.#someone(userId) ?? []) } : message;
  }

  #someone(userId: string): Member | Self | null {
    return userId === this.#self.userId ? this.#self : this.#mesh.presentAs(userId);
  }

  #refused({ code, message, retryable, ref }: Refused): void {
    const error = new SheetbendError(code, message, retryable);
    if (!this.#requests.reject(ref, error) && ref !== SIGNAL_REF) this.emit("error", error);
  }

  #say(data: Json, to: readonly Member[] | undefined, ref: string): Say | null {
    const message: Say = { type: "message", roomId: this.id, data, ref };
    if (!to) return message;
    if (to.every((member) => this.#mesh.presentAs(member.userId) === member)) {
      return { ...message, to: to.map(({ userId }) => userId) };
    }
    if (this.#mesh.isSettling) return null;
    throw new SheetbendError("target_not_found", "Somebody it is for is not in the room.");
  }

  #signal(type: SignalType, target: string, value: unknown): void {
    const message: Signal = { type, roomId: this.id, target, ref: SIGNAL_REF };
    message[type === "ice-candidate" ? "candidate" : "sdp"] = value;
    try {
      this.#signalling.send(message);
    } catch {
      // A description beyond 64 kB: the server would refuse it, and nobody waits for it.
    }
  }

  #settled(): void {
    this.#deliver();
    this.#requests.flush();
  }

  #lost(): void {
    this.#mesh.lost();
    this.#requests.lost();
    this.#setState("reconnecting");
  }

  #setState(state: RoomState): void {
    this.#state = state;
    this.emit("state", state);
  }

  #requireOpen(): void {
    if (this.#state === "closed") throw closedError();
  }

  #close(reason: CloseReason): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#stopListening();
    this.#mesh.close();
    this.#requests.close(closedError());
    if (!this.#isOpen) {
      this.#outcome.failed(reason.error ?? closedError());
      return;
    }
    this.emit("state", "closed");
    this.emit("closed", reason);
  }
}

function closedError(): SheetbendError {
  return new SheetbendError("closed", "The room has ended.");
}
