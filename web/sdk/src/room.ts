/** A room: puts signalling, the mesh, requests and publications together, and is what the application holds. */

import type {
  Access,
  CloseReason,
  ConnectOptions,
  Member,
  Place,
  Room,
  RoomEvents,
  RoomState,
} from "./api.js";
import { sha256 } from "./bytes.js";
import { MESSAGE_TARGETS_MAX } from "./codes.js";
import { createConversation } from "./conversation.js";
import { createEmitter } from "./emitter.js";
import type { Environment } from "./environment.js";
import { SheetbendError } from "./errors.js";
import { createLobby } from "./lobby.js";
import { createMesh } from "./mesh.js";
import {
  type Forwarded,
  type IceServers,
  isString,
  type Moderate,
  type MuteRequested,
  type Refused,
  type RoomEvent,
  type RoomEventByType,
  type Roster,
  type Said,
  type SignalType,
  type UserLeft,
  type UserUpdated,
  type Welcome,
} from "./messages.js";
import { type Peer, personOf } from "./peer.js";
import { createPublisher } from "./publisher.js";
import { fullJitter } from "./reconnect-policy.js";
import { createRequests, NOWHERE, type Request } from "./requests.js";
import { createSignalling } from "./signalling.js";

/** No promise waits for signalling: a target that is gone is told by `user-left` too. */
const SIGNAL_REF = "signal";

/** So many, that an application may wrap `connect` in a few async functions of its own and still be in time. */
const ANNOUNCE_AFTER_MICROTASKS = 16;

/** Of its hash that names a room in relay frames. */
const ROOM_TAG_BYTES = 8;
const RELAY = "relay";

/** Changed here; the application reads it. */
type MutableRoom = { -readonly [K in keyof Room]: Room[K] };

/**
 * Begins to connect.
 *
 * @param connected takes the room once it is there
 * @param failed hears that there will be none, or, of no more use, that it is over
 */
export function enterRoom(
  url: string,
  options: ConnectOptions,
  environment: Environment,
  connected: (room: Room) => void,
  failed: (error: SheetbendError) => void,
): void {
  const { room: id, name = "", attributes = {}, secret = null, token, signal: abortSignal } = options;
  const policy = options.reconnect ?? fullJitter({ random: environment.random });
  let publicKey: string | undefined;
  let isRelayOnly = options.relayOnly;
  let joinRef = "";
  let rejoins = 0;
  let joinTimer = 0;
  /** Whether `join` has gone out behind `hello`. */
  let isGreeted = false;
  /** Whether this session is in the room, reachable or not. */
  let isIn = false;
  let isReachable = false;
  let isOpen = false;
  /** Members are announced from then on. */
  let isAnnounced = false;

  const emitter = createEmitter<RoomEvents>();
  let { emit } = emitter;
  const signalling = createSignalling(
    url,
    environment,
    { policy, token, features: [RELAY], relayOnly: isRelayOnly || undefined },
    { greeted, welcomed, received, frame: (frame) => mesh.receive(frame), lost, ended: close },
  );
  const publisher = createPublisher(() =>
    [...mesh.members.values()].flatMap((peer) => (mayHave(peer) && peer.pair) || []),
  );
  const mesh = createMesh(environment, {
    ...signalling,
    signal,
    labels: publisher.labels,
    review,
    member: (peer) => announce("member", peer),
    left: (peer, reason) => announce("left", peer, reason),
    settled,
    refused: (_, error) => emit("error", error),
  });
  const conversation = createConversation(
    mesh,
    () => room.self,
    (message) => emit("message", message),
  );
  const lobby = createLobby(announce);
  const requests = createRequests(
    () => isIn && isReachable,
    signalling.send,
    () => environment.randomToken(),
  );
  const stopOnPageGone = environment.onPageGone(leave);
  const stopOnNetworkChange = environment.onNetworkChange((isCertain) => isCertain && mesh.networkChanged());

  const room: MutableRoom = {
    ...emitter,
    id,
    state: "connected",
    self: personOf({ userId: "", name, attributes }),
    members: mesh.members,
    get publications() {
      return publisher.publications;
    },
    access: "open",
    lobby: lobby.byId,
    history: { messages: [], complete: false },

    async send(data, { to } = {}) {
      requireOpen();
      if (to && (to.length === 0 || to.length > MESSAGE_TARGETS_MAX))
        throw new SheetbendError("invalid_argument", `to has 1 to ${MESSAGE_TARGETS_MAX} members.`);
      return requests.add((ref) => {
        const userIds = to && idsOf(to);
        return userIds === null ? null : { type: "message", roomId: id, data, id: ref, ref, to: userIds };
      });
    },

    async publish(stream, { label = "camera" } = {}) {
      requireOpen();
      if (!room.self.can.has("publish")) throw new SheetbendError("not_allowed");
      return publisher.publish(stream, label);
    },

    update: (change) => request((ref) => ({ ...change, type: "update", roomId: id, ref })),
    setAccess: (access) => request((ref) => ({ type: "set-access", roomId: id, access, ref })),
    admit: (userId) => moderate("admit", userId),
    reject: (userId) => moderate("reject", userId),

    async mute(member, what) {
      if (what.messages === undefined && !what.media?.length)
        throw new SheetbendError("invalid_argument", "Mute messages or media.");
      await moderate("mute", member, what);
    },

    remove: (member) => moderate("remove", member),
    leave,
  };

  async function start(): Promise<void> {
    if (abortSignal?.aborted) {
      abort();
      return;
    }
    abortSignal?.addEventListener("abort", abort);
    try {
      if (secret === "") throw new SheetbendError("invalid_argument", "An empty secret is none.");
      const keyPair = await environment.generateKeys();
      const hash = await sha256(new TextEncoder().encode(id));
      mesh.useKeys({ keyPair, roomId: id, roomTag: hash.subarray(0, ROOM_TAG_BYTES), secret });
      publicKey = keyPair.key;
    } catch (error) {
      if (!(error instanceof SheetbendError)) throw error;
      // Without keys there are calls and room messages all the same; but a secret room stays shut.
      if (secret !== null) end(error);
    }
    if (room.state !== "closed") signalling.start();
  }

  function abort(): void {
    end(new SheetbendError("aborted"));
  }

  async function leave(): Promise<void> {
    close({ code: 1000, reason: "left" });
  }

  /** Tells of members and of who waits, from the time on at which the application was told of those it found. */
  function announce<K extends keyof RoomEvents>(type: K, ...values: RoomEvents[K]): void {
    if (isAnnounced) emit(type, ...values);
  }

  function greeted(): void {
    isGreeted = true;
    begin();
  }

  function welcomed({ welcome, recovered }: { welcome: Welcome; recovered: boolean | null }): void {
    isReachable = true;
    mesh.useRelay(welcome.features.includes(RELAY));
    isRelayOnly = welcome.relayOnly ?? options.relayOnly;
    configure(welcome);
    if (recovered === false && !isGreeted) begin();
    isGreeted = false;
    if (recovered && isIn) {
      mesh.goOn();
      setState("connected");
      requests.flush();
    }
  }

  function configure({ iceServers }: Welcome | IceServers): void {
    mesh.configure({
      iceServers: options.iceServers ?? reachable(iceServers, url),
      iceTransportPolicy: isRelayOnly ? "relay" : "all",
    });
  }

  /** This session isn't in the room: enters it. */
  function begin(): void {
    isIn = false;
    environment.clearTimeout(joinTimer);
    mesh.lost();
    const { name, attributes } = room.self;
    joinRef = environment.randomToken();
    const { seen: since } = conversation;
    try {
      signalling.send({ type: "join", roomId: id, name, attributes, ref: joinRef, since, key: publicKey });
    } catch (error) {
      if (error instanceof SheetbendError) end(error);
    }
  }

  const receivers: { [K in keyof RoomEventByType]: (message: RoomEventByType[K]) => void } = {
    roster: enter,
    waiting: () => options.onWaiting && queueMicrotask(options.onWaiting),
    "user-joined": ({ member }) => mesh.joined(member),
    "user-left": left,
    "user-updated": updated,
    "room-updated": setAccess,
    message: said,
    accepted: () => {},
    knock: ({ member }) => lobby.add(member),
    "knock-ended": lobby.remove,
    "mute-requested": muteRequested,
    "ice-servers": configure,
    offer: forwarded,
    answer: forwarded,
    "ice-candidate": forwarded,
    error: refused,
  };

  function received(message: RoomEvent): void {
    if ("offset" in message && message.type !== "accepted" && !conversation.saw(message)) return;
    dispatch(message);
    if ("ref" in message && message.type !== "error") answered(message);
  }

  function dispatch<K extends keyof RoomEventByType>(message: RoomEventByType[K] & { type: K }): void {
    receivers[message.type](message);
  }

  function forwarded(message: Forwarded): void {
    mesh.signal(message);
  }

  function enter(roster: Roster): void {
    const { you, members, access, waiting = [] } = roster;
    rejoins = 0;
    room.self = personOf(you);
    mesh.enter(you.userId, members);
    lobby.replace(waiting);
    if (isOpen) {
      comeBack(roster);
    } else {
      isIn = isOpen = true;
      room.access = access;
      room.history = conversation.begin(roster);
      abortSignal?.removeEventListener("abort", abort);
      connected(room);
      announceAll();
    }
    requests.flush();
  }

  /** We are in the room again, in another session. */
  function comeBack(roster: Roster): void {
    const { epoch, history } = roster;
    const gap = conversation.goOn(roster);
    const places = new Map<string | undefined, Place>();
    for (const { id, sender, offset } of history) if (mesh.isSelf(sender)) places.set(id, { offset, epoch });
    requests.restart({ complete: gap.complete, placeOf: (id) => places.get(id) ?? null });
    isIn = true; // Not before what was on its way has its place in front of what waits.
    setState("connected");
    emit("self", room.self);
    setAccess(roster);
    emit("gap", gap);
    conversation.deliver();
  }

  /** Tells of the members found on arrival, once the application had its turn to listen. */
  async function announceAll(): Promise<void> {
    for (let turn = 0; turn < ANNOUNCE_AFTER_MICROTASKS; turn++) await null;
    isAnnounced = true;
    for (const peer of mesh.members.values()) emit("member", peer);
    for (const member of lobby.byId.values()) emit("knock", member);
  }

  function left({ userId, reason }: UserLeft): void {
    if (userId === room.self.userId) {
      end(new SheetbendError("removed"));
      return;
    }
    if (conversation.held.length > 0) mesh.admitAll();
    mesh.left(userId, reason);
  }

  function updated({ member }: UserUpdated): void {
    if (member.userId !== room.self.userId) {
      mesh.updated(member);
      return;
    }
    room.self = personOf(member);
    for (const peer of mesh.members.values()) review(peer);
    if (!room.self.can.has("moderate")) lobby.replace([]);
    emit("self", room.self);
  }

  function said(message: Said): void {
    conversation.said(message);
    // As good as `accepted`, which may be lost with the session; and the history from here on won't have it.
    if (message.sender === room.self.userId) answered({ ref: message.id, offset: message.offset });
  }

  function muteRequested({ sender, media }: MuteRequested): void {
    mesh.admit(sender);
    const moderator = mesh.presentAs(sender);
    if (moderator) emit("muterequested", media, moderator);
  }

  function refused({ code, message, retryable, retryAfterS, ref }: Refused): void {
    const error = new SheetbendError(code, message, retryable, retryAfterS && retryAfterS * 1000);
    if (ref === joinRef) notLetIn(error);
    else if (requests.reject(ref, error)) return;
    // That signalling met nobody is told by `user-left` too.
    else if (ref !== SIGNAL_REF || code !== "target_not_found") emit("error", error);
  }

  /** The room won't have us; for now, if we were in it before and it may change its mind by itself. */
  function notLetIn(error: SheetbendError): void {
    const mayChange = isOpen && error.retryable && error.code !== "room_locked";
    const delayMs = mayChange ? (error.retryAfterMs ?? policy.nextDelayMs(rejoins++, 0)) : null;
    if (delayMs === null) end(error);
    else joinTimer = environment.setTimeout(begin, delayMs);
  }

  /** An event came that a request of ours may have caused. */
  function answered({ ref, ...place }: { ref?: string | undefined } & Partial<Place>): void {
    const { epoch, offset } = { ...NOWHERE, ...conversation.seen, ...place };
    requests.resolve(ref, { epoch, offset });
  }

  async function request(build: Request): Promise<void> {
    requireOpen();
    await requests.add(build);
  }

  /** @param target who waits in the lobby, by id, or a member */
  function moderate(
    type: Moderate["type"],
    target: string | Member,
    what?: Pick<Moderate, "messages" | "media">,
  ): Promise<void> {
    return request((ref) => {
      const userId = isString(target) ? target : idsOf([target])?.[0];
      return userId === undefined ? null : { ...what, type, roomId: id, userId, ref };
    });
  }

  /**
   * What the server calls these members now; null while one may still be on its way back.
   *
   * @throws SheetbendError `target_not_found`
   */
  function idsOf(members: readonly Member[]): string[] | null {
    if (members.every((member) => mesh.presentAs(member.userId) === member))
      return members.map(({ userId }) => userId);
    if (mesh.isSettling) return null;
    throw new SheetbendError("target_not_found");
  }

  function signal(type: SignalType, target: string, value: unknown): void {
    const content = type === "ice-candidate" ? "candidate" : "sdp";
    try {
      signalling.send({ type, roomId: id, target, ref: SIGNAL_REF, [content]: value });
    } catch {
      // A description beyond 64 kB: the server would refuse it, and nobody waits for it.
    }
  }

  function mayHave(peer: Peer): boolean {
    return room.self.can.has("publish") && peer.can.has("subscribe");
  }

  function review(peer: Peer): void {
    if (peer.pair) publisher.review(peer.pair, mayHave(peer));
  }

  function settled(): void {
    conversation.deliver();
    requests.flush();
  }

  function lost(): void {
    isReachable = false;
    mesh.suspend();
    if (isOpen && room.state === "connected") setState("reconnecting");
  }

  function setState(state: RoomState): void {
    if (room.state === state) return;
    room.state = state;
    emit("state", state);
  }

  function setAccess({ access }: { access: Access }): void {
    if (room.access === access) return;
    room.access = access;
    emit("access", access);
  }

  function requireOpen(): void {
    if (room.state === "closed") throw new SheetbendError("closed");
  }

  function end(error: SheetbendError): void {
    close({ code: 1000, reason: error.code, error });
  }

  function close(reason: CloseReason): void {
    if (room.state === "closed") return;
    room.state = "closed";
    signalling.close();
    stopOnPageGone();
    stopOnNetworkChange();
    abortSignal?.removeEventListener("abort", abort);
    environment.clearTimeout(joinTimer);
    mesh.close();
    const error = new SheetbendError("closed");
    requests.close(error);
    failed(reason.error ?? error);
    emit("state", "closed");
    emit("closed", reason);
    // Nothing is told behind `closed`, also if a listener left in the middle of what there was to tell.
    emit = () => false;
  }

  start();
}

/** The same with the host by which this page knows the server in place of `{host}`. */
function reachable(iceServers: RTCIceServer[], url: string): RTCIceServer[] {
  const { hostname } = new URL(url, globalThis.location?.href);
  return JSON.parse(JSON.stringify(iceServers).replaceAll("{host}", hostname));
}
