/** A room: puts signalling, the mesh, requests and publications together, and is what the application holds. */

import type {
  Access,
  Attributes,
  CloseReason,
  ConnectOptions,
  History,
  Json,
  MediaKind,
  Member,
  Place,
  Publication,
  Room,
  RoomEvents,
  RoomState,
  Self,
  WaitingMember,
} from "./api.js";
import { sha256 } from "./bytes.js";
import { MESSAGE_TARGETS_MAX } from "./codes.js";
import { Conversation } from "./conversation.js";
import { Emitter } from "./emitter.js";
import type { Environment } from "./environment.js";
import { SheetbendError } from "./errors.js";
import { Lobby } from "./lobby.js";
import { Mesh, type RoomKeys } from "./mesh.js";
import type {
  IceServers,
  Join,
  MemberRecord,
  Moderate,
  MuteRequested,
  Refused,
  RoomEvent,
  Roster,
  Said,
  Say,
  Signal,
  SignalType,
  UserLeft,
  UserUpdated,
  Welcome,
} from "./messages.js";
import type { Peer } from "./peer.js";
import { Publisher } from "./publisher.js";
import { fullJitter, type ReconnectPolicy } from "./reconnect-policy.js";
import { Requests } from "./requests.js";
import { permissions } from "./rights.js";
import { Signalling } from "./signalling.js";

/** No promise waits for signalling: a target that is gone is told by `user-left` too. */
const SIGNAL_REF = "signal";

/** So many, that an application may wrap `connect` in a few async functions of its own and still be in time. */
const ANNOUNCE_AFTER_MICROTASKS = 16;

/** Of its hash that names a room in relay frames. */
const ROOM_TAG_BYTES = 8;
const RELAY = "relay";

/** What `connect` waits for. */
export interface FirstOutcome {
  connected(room: Room): void;
  failed(error: SheetbendError): void;
}

export class RoomSession extends Emitter<RoomEvents> implements Room {
  readonly id: string;
  readonly #url: string;
  readonly #options: ConnectOptions;
  readonly #environment: Environment;
  readonly #policy: ReconnectPolicy;
  readonly #outcome: FirstOutcome;
  readonly #signalling: Signalling;
  readonly #mesh: Mesh;
  readonly #publisher: Publisher;
  readonly #requests: Requests;
  readonly #conversation: Conversation;
  readonly #lobby: Lobby;
  readonly #stopListening: () => void;
  #state: RoomState = "connected";
  #self: Self;
  #access: Access = "open";
  #history: History = { messages: [], complete: false };
  #configuration: RTCConfiguration = {};
  #publicKey: string | undefined;
  #isRelayOnly = false;
  #joinRef = "";
  #rejoins = 0;
  #joinTimer = 0;
  /** Whether `join` has gone out behind `hello`. */
  #isGreeted = false;
  /** Whether this session is in the room, reachable or not. */
  #isIn = false;
  #isReachable = false;
  #isOpen = false;
  #isOver = false;
  /** Members are announced from then on. */
  #isAnnounced = false;

  constructor(url: string, options: ConnectOptions, environment: Environment, outcome: FirstOutcome) {
    super();
    const { room, name = "", attributes = {} } = options;
    this.id = room;
    this.#self = selfOf({ userId: "", name, attributes });
    this.#url = url;
    this.#options = options;
    this.#environment = environment;
    this.#policy = options.reconnect ?? fullJitter({ random: environment.random });
    this.#outcome = outcome;
    this.#mesh = this.#createMesh();
    this.#publisher = new Publisher(() =>
      [...this.#mesh.members.values()].flatMap((peer) => (this.#mayHave(peer) && peer.pair) || []),
    );
    this.#conversation = new Conversation(this.#mesh, {
      self: () => this.#self,
      message: (message) => this.emit("message", message),
    });
    this.#lobby = new Lobby({
      knock: (member) => this.#isAnnounced && this.emit("knock", member),
      knockEnded: (member) => this.#isAnnounced && this.emit("knockended", member),
    });
    const relayOnly = options.relayOnly || undefined;
    const signallingOptions = { policy: this.#policy, token: options.token, features: [RELAY], relayOnly };
    this.#signalling = new Signalling(url, environment, signallingOptions, {
      greeted: () => this.#greeted(),
      welcomed: (welcome, recovered) => this.#welcomed(welcome, recovered),
      received: (message) => this.#receive(message),
      frame: (frame) => this.#mesh.receive(frame),
      lost: () => this.#lost(),
      ended: (reason) => this.#close(reason),
    });
    this.#requests = new Requests(
      () => this.#isIn && this.#isReachable,
      (message) => this.#signalling.send(message),
      () => environment.randomToken(),
    );
    const stops = [
      environment.onPageGone(() => this.leave()),
      environment.onNetworkChange((isCertain) => isCertain && this.#mesh.networkChanged()),
    ];
    this.#stopListening = () => {
      for (const stop of stops) stop();
    };
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

  get access(): Access {
    return this.#access;
  }

  get lobby(): ReadonlyMap<string, WaitingMember> {
    return this.#lobby.byId;
  }

  get history(): History {
    return this.#history;
  }

  /** Nothing is told behind `closed`, also if a listener left in the middle of what there was to tell. */
  override emit<K extends keyof RoomEvents>(type: K, ...values: RoomEvents[K]): boolean {
    return !this.#isOver && super.emit(type, ...values);
  }

  /** Begins to connect; `outcome` hears how it went. */
  async start(): Promise<void> {
    try {
      const keys = await this.#makeKeys();
      this.#publicKey = keys.keyPair.key;
      this.#mesh.useKeys(keys);
    } catch (error) {
      if (!(error instanceof SheetbendError)) throw error;
      // Without keys there are calls and room messages all the same; but a secret room stays shut.
      if (this.#options.secret !== undefined) this.#end(error);
    }
    if (this.#state !== "closed") this.#signalling.start();
  }

  /** Ends the attempt to connect. */
  abort(): void {
    this.#end(new SheetbendError("aborted", "Connecting was aborted."));
  }

  async send(data: Json, { to }: { to?: readonly Member[] } = {}): Promise<Place> {
    this.#requireOpen();
    if (to && (to.length === 0 || to.length > MESSAGE_TARGETS_MAX)) {
      throw new SheetbendError(
        "invalid_argument",
        `to has 1 to ${MESSAGE_TARGETS_MAX} members, or is left out.`,
      );
    }
    return this.#requests.add((ref) => this.#say(data, to, ref));
  }

  async publish(stream: MediaStream, { label = "camera" }: { label?: string } = {}): Promise<Publication> {
    this.#requireOpen();
    if (!this.#self.can.has("publish"))
      throw new SheetbendError("not_allowed", "You may not publish in this room.");
    return this.#publisher.publish(stream, label);
  }

  async update(change: { name?: string; attributes?: Attributes }): Promise<void> {
    this.#requireOpen();
    await this.#requests.add((ref) => ({ ...change, type: "update", roomId: this.id, ref }));
  }

  async setAccess(access: Access): Promise<void> {
    this.#requireOpen();
    await this.#requests.add((ref) => ({ type: "set-access", roomId: this.id, access, ref }));
  }

  async admit(userId: string): Promise<void> {
    await this.#moderate("admit", () => userId);
  }

  async reject(userId: string): Promise<void> {
    await this.#moderate("reject", () => userId);
  }

  async mute(member: Member, what: { messages?: boolean; media?: readonly MediaKind[] }): Promise<void> {
    if (what.messages === undefined && !what.media?.length)
      throw new SheetbendError("invalid_argument", "messages, media or both say what to mute.");
    await this.#moderate("mute", () => this.#idsOf([member])?.[0], what);
  }

  async remove(member: Member): Promise<void> {
    await this.#moderate("remove", () => this.#idsOf([member])?.[0]);
  }

  async leave(): Promise<void> {
    this.#signalling.close();
    this.#close({ code: 1000, reason: "left" });
  }

  async #makeKeys(): Promise<RoomKeys> {
    const { secret = null } = this.#options;
    if (secret === "") throw new SheetbendError("invalid_argument", "An empty secret is none: leave it out.");
    const keyPair = await this.#environment.generateKeys();
    const hash = await sha256(new TextEncoder().encode(this.id));
    return { keyPair, roomId: this.id, roomTag: hash.subarray(0, ROOM_TAG_BYTES), secret };
  }

  #createMesh(): Mesh {
    return new Mesh(this.#environment, {
      signal: (type, target, value) => this.#signal(type, target, value),
      relay: (frame) => this.#signalling.sendFrame(frame),
      bufferedBytes: () => this.#signalling.bufferedBytes,
      suspectRelay: () => this.#signalling.check(),
      labels: () => this.#publisher.labels(),
      review: (peer) => this.#review(peer),
      member: (peer) => this.#isAnnounced && this.emit("member", peer),
      left: (peer, reason) => this.#isAnnounced && this.emit("left", peer, reason),
      settled: () => this.#settled(),
      refused: (_, error) => this.emit("error", error),
    });
  }

  #greeted(): void {
    this.#isGreeted = true;
    this.#begin();
  }

  #welcomed(welcome: Welcome, recovered: boolean | null): void {
    this.#isReachable = true;
    this.#mesh.useRelay(welcome.features.includes(RELAY));
    this.#isRelayOnly = welcome.relayOnly ?? this.#options.relayOnly ?? false;
    this.#configure(welcome);
    if (recovered === false && !this.#isGreeted) this.#begin();
    this.#isGreeted = false;
    if (recovered && this.#isIn) {
      this.#mesh.goOn();
      this.#setState("connected");
      this.#requests.flush();
    }
  }

  #configure({ iceServers }: Welcome | IceServers): void {
    this.#configuration = {
      iceServers: this.#options.iceServers ?? reachable(iceServers, this.#url),
      iceTransportPolicy: this.#isRelayOnly ? "relay" : "all",
    };
    this.#mesh.configure(this.#configuration);
  }

  /** This session isn't in the room: enters it. */
  #begin(): void {
    this.#isIn = false;
    this.#environment.clearTimeout(this.#joinTimer);
    this.#mesh.lost();
    const { name, attributes } = this.#self;
    const since = this.#conversation.seen;
    this.#joinRef = this.#environment.randomToken();
    const join: Join = { type: "join", roomId: this.id, name, attributes, ref: this.#joinRef };
    if (since) join.since = since;
    if (this.#publicKey) join.key = this.#publicKey;
    try {
      this.#signalling.send(join);
    } catch (error) {
      if (error instanceof SheetbendError) this.#end(error);
    }
  }

  #receive(message: RoomEvent): void {
    if ("offset" in message && message.type !== "accepted" && !this.#conversation.saw(message)) return;
    switch (message.type) {
      case "roster":
        this.#enter(message);
        break;
      case "waiting":
        if (this.#options.onWaiting) queueMicrotask(this.#options.onWaiting);
        break;
      case "user-joined":
        this.#mesh.joined(message.member);
        break;
      case "user-left":
        this.#left(message);
        break;
      case "user-updated":
        this.#updated(message);
        break;
      case "room-updated":
        this.#setAccess(message.access);
        this.#answered(message);
        break;
      case "message":
        this.#said(message);
        break;
      case "accepted":
        this.#requests.resolve(message.ref, { offset: message.offset, epoch: message.epoch });
        break;
      case "knock":
        this.#lobby.add(message.member);
        break;
      case "knock-ended":
        this.#lobby.remove(message.userId);
        this.#answered(message);
        break;
      case "mute-requested":
        this.#muteRequested(message);
        break;
      case "ice-servers":
        this.#configure(message);
        break;
      case "error":
        this.#refused(message);
        break;
      default:
        this.#mesh.signal(message);
    }
  }

  #enter(roster: Roster): void {
    const { you, members, waiting = [] } = roster;
    this.#rejoins = 0;
    this.#self = selfOf(you);
    this.#mesh.enter(you.userId, members, this.#configuration);
    this.#lobby.replace(waiting);
    if (this.#isOpen) {
      this.#return(roster);
    } else {
      this.#isIn = this.#isOpen = true;
      this.#access = roster.access;
      this.#history = this.#conversation.begin(roster);
      this.#outcome.connected(this);
      this.#announce();
    }
    this.#requests.flush();
  }

  /** We are in the room again, in another session. */
  #return(roster: Roster): void {
    const { epoch } = roster;
    const gap = this.#conversation.goOn(roster);
    const offsets = new Map<string | undefined, number>();
    for (const { id, sender, offset } of roster.history)
      if (this.#mesh.isSelf(sender)) offsets.set(id, offset);
    this.#requests.restart({
      complete: gap.complete,
      placeOf(id) {
        const offset = offsets.get(id);
        return offset === undefined ? null : { offset, epoch };
      },
    });
    this.#isIn = true; // Not before what was on its way has its place in front of what waits.
    this.#setState("connected");
    this.emit("self", this.#self);
    this.#setAccess(roster.access);
    this.emit("gap", gap);
    this.#conversation.deliver();
  }

  /** Tells of the members found on arrival, once the application had its turn to listen. */
  async #announce(): Promise<void> {
    for (let turn = 0; turn < ANNOUNCE_AFTER_MICROTASKS; turn++) await null;
    this.#isAnnounced = true;
    for (const peer of this.#mesh.members.values()) this.emit("member", peer);
    for (const member of this.#lobby.byId.values()) this.emit("knock", member);
  }

  #left(message: UserLeft): void {
    const { userId, reason } = message;
    if (userId === this.#self.userId) {
      this.#end(new SheetbendError("removed", "A moderator has put you out of the room."));
      return;
    }
    if (this.#conversation.isHolding) this.#mesh.admitAll();
    this.#mesh.left(userId, reason);
    this.#answered(message);
  }

  #updated(message: UserUpdated): void {
    const { member } = message;
    if (member.userId === this.#self.userId) this.#changed(member);
    else this.#mesh.updated(member);
    this.#answered(message);
  }

  /** We are other than we were. */
  #changed(member: MemberRecord): void {
    this.#self = selfOf(member);
    for (const peer of this.#mesh.members.values()) this.#review(peer);
    if (!this.#self.can.has("moderate")) this.#lobby.replace([]);
    this.emit("self", this.#self);
  }

  #said(message: Said): void {
    this.#conversation.said(message);
    // As good as `accepted`, which may be lost with the session; and the history from here on won't have it.
    if (message.sender === this.#self.userId) this.#answered({ ref: message.id, offset: message.offset });
  }

  #muteRequested({ sender, media }: MuteRequested): void {
    this.#mesh.admit(sender);
    const moderator = this.#mesh.presentAs(sender);
    if (moderator) this.emit("muterequested", media, moderator);
  }

  #refused({ code, message, retryable, retryAfterS, ref }: Refused): void {
    const retryAfterMs = retryAfterS === undefined ? null : retryAfterS * 1000;
    const error = new SheetbendError(code, message, retryable, retryAfterMs);
    if (ref === this.#joinRef) this.#notLetIn(error);
    else if (!this.#requests.reject(ref, error) && !isGone(ref, code)) this.emit("error", error);
  }

  /** The room won't have us; for now, if we were in it before and it may change its mind by itself. */
  #notLetIn(error: SheetbendError): void {
    const mayChange = this.#isOpen && error.retryable && error.code !== "room_locked";
    const delayMs = mayChange ? (error.retryAfterMs ?? this.#policy.nextDelayMs(this.#rejoins++, 0)) : null;
    if (delayMs === null) this.#end(error);
    else this.#joinTimer = this.#environment.setTimeout(() => this.#begin(), delayMs);
  }

  /** An event came that a request of ours may have caused. */
  #answered({ ref, offset }: { ref?: string | undefined; offset?: number }): void {
    const { epoch = "", offset: seen = 0 } = this.#conversation.seen ?? {};
    this.#requests.resolve(ref, { epoch, offset: offset ?? seen });
  }

  #say(data: Json, to: readonly Member[] | undefined, ref: string): Say | null {
    const message: Say = { type: "message", roomId: this.id, data, id: ref, ref };
    if (!to) return message;
    const userIds = this.#idsOf(to);
    return userIds && { ...message, to: userIds };
  }

  async #moderate(
    type: Moderate["type"],
    target: () => string | undefined,
    what: Pick<Moderate, "messages" | "media"> = {},
  ): Promise<void> {
    this.#requireOpen();
    await this.#requests.add((ref) => {
      const userId = target();
      return userId === undefined ? null : { ...what, type, roomId: this.id, userId, ref };
    });
  }

  /**
   * What the server calls these members now; null while one may still be on its way back.
   *
   * @throws SheetbendError `target_not_found`
   */
  #idsOf(members: readonly Member[]): string[] | null {
    if (members.every((member) => this.#mesh.presentAs(member.userId) === member))
      return members.map(({ userId }) => userId);
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

  #mayHave(peer: Peer): boolean {
    return this.#self.can.has("publish") && peer.can.has("subscribe");
  }

  #review(peer: Peer): void {
    if (peer.pair) this.#publisher.review(peer.pair, this.#mayHave(peer));
  }

  #settled(): void {
    this.#conversation.deliver();
    this.#requests.flush();
  }

  #lost(): void {
    this.#isReachable = false;
    this.#mesh.suspend();
    if (this.#isOpen && this.#state === "connected") this.#setState("reconnecting");
  }

  #setState(state: RoomState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.emit("state", state);
  }

  #setAccess(access: Access): void {
    if (this.#access === access) return;
    this.#access = access;
    this.emit("access", access);
  }

  #requireOpen(): void {
    if (this.#state === "closed") throw closedError();
  }

  #end(error: SheetbendError): void {
    this.#signalling.close();
    this.#close({ code: 1000, reason: error.code, error });
  }

  #close(reason: CloseReason): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#stopListening();
    this.#environment.clearTimeout(this.#joinTimer);
    this.#mesh.close();
    this.#requests.close(closedError());
    if (!this.#isOpen) {
      this.#outcome.failed(reason.error ?? closedError());
      return;
    }
    this.emit("state", "closed");
    this.emit("closed", reason);
    this.#isOver = true;
  }
}

function selfOf(record: MemberRecord): Self {
  const { userId, name, attributes, muted = false, subject = null } = record;
  return { userId, name, attributes, can: permissions(record), muted, subject };
}

/** Whether signalling met nobody, which `user-left` tells too. */
function isGone(ref: string | undefined, code: string): boolean {
  return ref === SIGNAL_REF && code === "target_not_found";
}

function closedError(): SheetbendError {
  return new SheetbendError("closed", "The room has ended.");
}

/** The same with the host by which this page knows the server in place of `{host}`. */
function reachable(iceServers: RTCIceServer[], url: string): RTCIceServer[] {
  const { hostname } = new URL(url, globalThis.location?.href);
  return JSON.parse(JSON.stringify(iceServers).replaceAll("{host}", hostname));
}
