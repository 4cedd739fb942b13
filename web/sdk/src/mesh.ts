/**
 * Who is in the room: a link and a peer connection with each of them.
 *
 * Keeps members, what is on its way to them, and calls with them, through anything that happens to signalling on either
 * side: whose session is lost comes back under a new user id and with the same key, and shows by what it seals that the
 * key is its own. A member is, at any time,
 *
 *     newcomer   just seen under a new id, with the key of somebody we know. For a moment it is nobody yet
 *     present    in the room under its `userId`
 *     away       not in the room, but may come back: its peer connection lives, or its time isn't over
 *
 * and, while our own session is lost, everybody is away. Who has no key, and all if we have none, is known by its id
 * alone. Leaves to others: text and sockets (`signalling`), room messages (`room`), frames and descriptions that only
 * the two can have made (`sealed-channel`), links (`member-link`), the peer connections themselves (`pair`).
 */

import type { LeftReason } from "./api.js";
import { fromHex, join, toHex } from "./bytes.js";
import type { Environment } from "./environment.js";
import { SheetbendError } from "./errors.js";
import type { Forwarded, MemberRecord, SignalType } from "./messages.js";
import { createPair, type Opening, type Pair } from "./pair.js";
import { createPeer, type Peer } from "./peer.js";
import { decodeCandidate, decodeDescription, type PeerDescription } from "./peer-messages.js";
import { createSealedChannel, type SealedChannel } from "./sealed-channel.js";
import { descriptionParts, type KeyPair } from "./sealing.js";

/** What this page seals with in one room. */
export interface RoomKeys {
  keyPair: KeyPair;
  roomId: string;
  /** Names the room in relay frames. */
  roomTag: Uint8Array;
  secret: string | null;
}

/** What the mesh asks of the room. */
export interface MeshPort {
  /** Sends `value` as the `sdp` or `candidate` of a signalling message. */
  signal(type: SignalType, target: string, value: unknown): void;
  /** Sends a relay frame. */
  relay(frame: Uint8Array<ArrayBuffer>): void;
  /** Bytes that wait in the connection to the server. */
  bufferedBytes(): number;
  /** The server doesn't bring anything back. */
  suspectRelay(): void;
  /** Labels by stream id, of everything we publish. */
  labels(): { [streamId: string]: string };
  /** A member has a new peer connection, or other rights: give it our tracks, or take them away. */
  review(peer: Peer): void;
  member(peer: Peer): void;
  left(peer: Peer, reason: LeftReason): void;
  /** A newcomer was recognised, admitted, or is gone. */
  settled(): void;
  /** What came from this member isn't sealed by the keys we have agreed on. */
  refused(peer: Peer, error: SheetbendError): void;
}

/** How long a newcomer can be someone we know. It takes them a round trip or two. */
const RECOGNITION_MS = 3000;

/** How long an away member's peer connection may be disconnected: the server has waited for it already. */
const AWAY_MS = 5000;

/** Where our own session was lost, theirs is perhaps too: they have so long after us to come back. */
const RETURN_MS = 30_000;

/** Own ids remembered, so as not to meet ourselves while the server hasn't noticed that an old connection is dead. */
const FORMER_IDS_MAX = 16;

/** Of a relay frame: kind, room, member. */
const HEADER_BYTES = 25;

interface Newcomer {
  record: MemberRecord;
  opening: Opening;
  timer: number;
  /** Whose key it has. */
  known: Peer;
}

export class Mesh {
  /** By key, in order of appearance. */
  readonly members = new Map<string, Peer>();
  readonly #environment: Environment;
  readonly #port: MeshPort;
  readonly #present = new Map<string, Peer>();
  readonly #newcomers = new Map<string, Newcomer>();
  /** What is said through the server with those in the room who have a key, by user id. */
  readonly #channels = new Map<string, SealedChannel>();
  /** How to make the peer connections that come behind the first messages. */
  readonly #openings = new WeakMap<Peer, Opening>();
  readonly #ownIds: string[] = [];
  #keys: RoomKeys | null = null;
  #configuration: RTCConfiguration = {};
  /** Our session is in the room. */
  #online = false;
  /** And the server can be reached, and relays. */
  #isRelayed = false;
  #relays = false;
  /** Runs after each entrance, while those who were here may still be on their way back. */
  #returnTimer = 0;
  #isReturning = false;
  #returnBy = 0;
  #memberKeys = 0;

  constructor(environment: Environment, port: MeshPort) {
    this.#environment = environment;
    this.#port = port;
  }

  /** What to seal with from the first entrance on; null where nothing can be sealed. */
  useKeys(keys: RoomKeys | null): void {
    this.#keys = keys;
  }

  /** Who has this id in the room now; null for nobody, a newcomer included. */
  presentAs(userId: string): Peer | null {
    return this.#present.get(userId) ?? null;
  }

  /** Who had this id when something was said; null if it is nobody of those we know. */
  knownAs(userId: string): Peer | null {
    const isWho = (peer: Peer) => peer.userId === userId || peer.formerIds.includes(userId);
    return this.presentAs(userId) ?? this.#find(isWho);
  }

  /** Whether we have, or had, this id. */
  isSelf(userId: string): boolean {
    return this.#ownIds.includes(userId);
  }

  isPresent(peer: Peer): boolean {
    return this.#present.get(peer.userId) === peer;
  }

  isNewcomer(userId: string): boolean {
    return this.#newcomers.has(userId);
  }

  /** Whether somebody who is away may yet turn out to be in the room. */
  get isSettling(): boolean {
    return this.#isReturning || this.#newcomers.size > 0;
  }

  /** We are in the room, as `ownId`, with these others. */
  enter(ownId: string, others: readonly MemberRecord[]): void {
    this.#online = true;
    this.#isRelayed = this.#relays;
    this.#awaitReturns();
    this.#ownIds.unshift(ownId);
    this.#ownIds.length = Math.min(this.#ownIds.length, FORMER_IDS_MAX);
    const known = new Map([...this.members.values()].map((peer) => [peer.userId, peer]));
    for (const record of others) {
      const peer = known.get(record.userId);
      if (peer && peer.publicKey === record.key) this.#welcomeBack(peer, record);
      else this.#meet(record, record.polite ? "wait" : "offer");
    }
    for (const peer of this.members.values()) if (!this.isPresent(peer)) this.#watch(peer);
  }

  /** Uses other ICE servers from now on; what is connected, from its next restart on. */
  configure(configuration: RTCConfiguration): void {
    this.#configuration = configuration;
    for (const { pair } of this.members.values()) pair?.configure(configuration);
  }

  /** Whether the server relays frames. */
  useRelay(relays: boolean): void {
    this.#relays = relays;
  }

  /** The server can't be reached for now. */
  suspend(): void {
    this.#isRelayed = false;
    for (const { pair, link } of this.members.values()) {
      pair?.holdCandidates();
      link?.pathDown("relay");
    }
  }

  /** And now it can again, and nothing has changed. */
  goOn(): void {
    this.#isRelayed = this.#relays;
    for (const { pair } of this.members.values()) pair?.releaseCandidates();
    for (const peer of this.#present.values()) this.#reach(peer);
  }

  /** The network has changed. */
  networkChanged(): void {
    for (const { pair } of this.members.values()) pair?.networkChanged();
  }

  /** Our own session is lost: nobody can be reached, nothing can be known. */
  lost(): void {
    this.#online = false;
    this.#isRelayed = false;
    this.#environment.clearTimeout(this.#returnTimer);
    this.admitAll();
    this.#present.clear();
    for (const userId of [...this.#channels.keys()]) this.#closeChannel(userId);
    for (const peer of this.members.values()) {
      peer.stopTimer();
      peer.link?.pathDown("relay");
      peer.pair?.pause();
      peer.pair?.releaseCandidates();
    }
  }

  joined(record: MemberRecord): void {
    // A newcomer towards whom we are the polite one is of the lesson dialect (PROTOCOL.md).
    this.#meet(record, record.polite ? "plain" : "offer");
  }

  left(userId: string, reason: LeftReason): void {
    const peer = this.#present.get(userId);
    this.#takeNewcomer(userId);
    this.#closeChannel(userId);
    this.#present.delete(userId);
    if (peer && reason !== "disconnect") this.#drop(peer, reason);
    else if (peer) this.#watch(peer);
    this.#port.settled();
  }

  updated(record: MemberRecord): void {
    const newcomer = this.#newcomers.get(record.userId);
    if (newcomer) newcomer.record = { ...newcomer.record, ...record };
    const peer = this.#present.get(record.userId);
    if (!peer) return;
    peer.describe(record);
    this.#port.review(peer);
  }

  /** Takes signalling from another member. */
  signal(message: Forwarded): void {
    const { type, sender } = message;
    const channel = this.#channels.get(sender);
    if (type === "ice-candidate") {
      const candidate = decodeCandidate(message.candidate);
      const add = () => candidate && this.#present.get(sender)?.pair?.addCandidate(candidate);
      if (channel) channel.verify(null, null, add);
      else add();
      return;
    }
    const description = decodeDescription(type, message.sdp);
    if (!description) return;
    if (channel) this.#verify(channel, sender, description);
    else if (!this.presentAs(sender)?.link && !this.#keys?.secret) this.#negotiate(sender, description);
  }

  /** Takes a relay frame. */
  receive(frame: Uint8Array<ArrayBuffer>): void {
    if (frame.length < HEADER_BYTES) return;
    const sender = toHex(frame.subarray(HEADER_BYTES - 16, HEADER_BYTES));
    this.#channels.get(sender)?.receive(frame[0] ?? 0, frame.subarray(HEADER_BYTES));
  }

  /** Takes a newcomer for somebody we don't know. */
  admit(userId: string): void {
    const newcomer = this.#takeNewcomer(userId);
    if (!newcomer) return;
    this.#add(newcomer.record, newcomer.opening);
    this.#port.settled();
  }

  /** Takes all of them so. */
  admitAll(): void {
    for (const userId of [...this.#newcomers.keys()]) this.admit(userId);
  }

  /** Ends every link and peer connection, silently. */
  close(): void {
    this.#environment.clearTimeout(this.#returnTimer);
    for (const { timer } of this.#newcomers.values()) this.#environment.clearTimeout(timer);
    for (const channel of this.#channels.values()) channel.close();
    for (const peer of this.members.values()) {
      peer.close("closed");
    }
    this.#channels.clear();
    this.#newcomers.clear();
    this.#present.clear();
    this.members.clear();
  }

  #find(isWho: (peer: Peer) => boolean): Peer | null {
    return [...this.members.values()].find(isWho) ?? null;
  }

  #awaitReturns(): void {
    this.#isReturning = this.members.size > 0;
    if (!this.#isReturning) return;
    this.#returnBy = this.#environment.now() + RETURN_MS;
    this.#returnTimer = this.#environment.setTimeout(() => {
      this.#isReturning = false;
      this.#port.settled();
    }, RECOGNITION_MS);
  }

  #meet(record: MemberRecord, opening: Opening): void {
    const { userId } = record;
    if (this.#present.has(userId) || this.#newcomers.has(userId) || this.#ownIds.includes(userId)) return;
    this.#openChannel(record);
    const known = this.#keyOf(record) ? this.#find(({ publicKey }) => publicKey === record.key) : null;
    if (!known?.link) {
      this.#add(record, opening);
      return;
    }
    const timer = this.#environment.setTimeout(() => this.admit(userId), RECOGNITION_MS);
    this.#newcomers.set(userId, { record, opening, timer, known });
    // By this it recognises us, if it is who it seems to be.
    this.#channels.get(userId)?.send(known.link.greeting(), false);
  }

  #add(record: MemberRecord, opening: Opening): void {
    const peer = this.#createPeer(record);
    this.members.set(peer.key, peer);
    this.#present.set(record.userId, peer);
    this.#port.member(peer);
    this.#reach(peer);
    // To make a peer connection takes browsers 10 to 20 ms, in which the first messages would wait.
    if (this.#channels.get(peer.userId)?.sealingBytes) this.#openings.set(peer, opening);
    else this.#connect(peer, opening);
  }

  #connectNow(peer: Peer | undefined): void {
    const opening = peer && this.#openings.get(peer);
    if (peer && opening && this.isPresent(peer)) this.#connect(peer, opening);
  }

  #createPeer(record: MemberRecord): Peer {
    const keys = this.#keyOf(record) ? this.#keys : null;
    return createPeer(
      `m${++this.#memberKeys}`,
      record,
      this.#environment,
      keys && {
        ...this.#port,
        isFirst: keys.keyPair.key < (record.key ?? ""),
        sealing: keys.secret === null ? "keys" : "secret",
        channels: this.#channels,
      },
    );
  }

  #takeNewcomer(userId: string): Newcomer | undefined {
    const newcomer = this.#newcomers.get(userId);
    this.#environment.clearTimeout(newcomer?.timer ?? 0);
    this.#newcomers.delete(userId);
    return newcomer;
  }

  /** The key we can agree with somebody on, if we have one too. Our own is a key that was taken from us. */
  #keyOf({ key }: MemberRecord): string | null {
    return this.#keys && key !== this.#keys.keyPair.key ? (key ?? null) : null;
  }

  #openChannel(record: MemberRecord): void {
    const { userId } = record;
    const otherKey = this.#keyOf(record);
    const ownId = this.#ownIds[0];
    if (!this.#keys || otherKey === null || ownId === undefined) return;
    const { keyPair, roomId, roomTag, secret } = this.#keys;
    const target = fromHex(userId);
    const channel = createSealedChannel(
      keyPair,
      { roomId, ownId, otherId: userId, otherKey, secret },
      {
        transmit: (kind, sealed) =>
          this.#isRelayed && this.#port.relay(join([kind], roomTag, target, sealed)),
        opened: (frame) => {
          this.#proved(userId);
          this.#present.get(userId)?.link?.receive("relay", frame);
        },
        refused: (error) => this.#refused(userId, error),
        idle: () => this.#connectNow(this.#present.get(userId)),
      },
    );
    this.#channels.set(userId, channel);
  }

  /** `peer` is the one with whom the channel of its user id is. */
  #reach(peer: Peer): void {
    peer.refuse(false);
    if (this.#isRelayed && this.#channels.has(peer.userId)) peer.link?.pathUp("relay");
  }

  #closeChannel(userId: string): void {
    this.#channels.get(userId)?.close();
    this.#channels.delete(userId);
  }

  #verify(channel: SealedChannel, sender: string, description: PeerDescription): void {
    const { type, sdp, labels, tag } = description;
    try {
      channel.verify(descriptionParts(type, sdp, labels ?? []), tag, () => {
        this.#proved(sender);
        this.#negotiate(sender, description);
      });
    } catch (error) {
      if (error instanceof SheetbendError) this.#refused(sender, error);
    }
  }

  #refused(userId: string, error: SheetbendError): void {
    const peer = this.#present.get(userId);
    if (!peer) return;
    peer.refuse(true);
    this.#port.refused(peer, error);
  }

  /** We reconnected, and `peer` has kept its id and its key. */
  #welcomeBack(peer: Peer, record: MemberRecord): void {
    this.#present.set(record.userId, peer);
    this.#openChannel(record);
    peer.describe(record);
    this.#port.review(peer);
    this.#reach(peer);
    this.#reunite(peer, "wait");
  }

  /** `peer` can be reached again: goes on with its peer connection, if there is one that knows the other end. */
  #reunite(peer: Peer, opening: Opening): void {
    peer.stopTimer();
    if (peer.link && peer.pair) peer.pair.resume(peer.polite);
    else this.#connect(peer, opening);
  }

  /** Makes a peer connection with `peer`, in place of the one there may be. */
  #connect(peer: Peer, opening: Opening): void {
    this.#openings.delete(peer);
    peer.stopTimer();
    peer.disconnect();
    if (!this.#online) return;
    if (this.#keys?.secret && !peer.link) {
      peer.report(); // It can't show that it has the secret.
      return;
    }
    try {
      peer.pair = this.#createPair(peer, opening);
    } catch {
      // Chromium makes at most 500 peer connections; the room itself goes on.
      peer.report();
      return;
    }
    peer.enforceRights();
    peer.report();
    this.#port.review(peer);
    this.#port.settled();
  }

  #createPair(peer: Peer, opening: Opening): Pair {
    return createPair(this.#environment, this.#configuration, opening, peer.polite, {
      sendDescription: ({ type, sdp }) => {
        if (type === "offer" || type === "answer") this.#describe(peer, type, sdp);
      },
      sendCandidate: (candidate) =>
        this.#bind(peer, null, () => this.#port.signal("ice-candidate", peer.userId, candidate)),
      track: peer.receiveTrack,
      changed: () => this.#changed(peer),
      opened: () => peer.link?.pathUp("direct"),
      frame: (frame) => peer.link?.receive("direct", frame),
      ready: () => peer.link?.pathReady("direct"),
      rerouted: peer.look,
      ended: () => this.#ended(peer),
    });
  }

  #describe(peer: Peer, type: "offer" | "answer", sdp: string): void {
    const streams = this.#port.labels();
    const parts = descriptionParts(type, sdp, Object.entries(streams));
    this.#bind(peer, parts, (tag) => this.#port.signal(type, peer.userId, { type, sdp, streams, tag }));
  }

  /** Sends with a tag what `parts` are of, where the two have keys. */
  #bind(peer: Peer, parts: readonly string[] | null, send: (tag?: string) => void): void {
    const channel = this.#channels.get(peer.userId);
    if (channel) channel.bind(parts, send);
    else if (!peer.link) send();
  }

  #changed(peer: Peer): void {
    peer.report();
    if (this.#online && !this.isPresent(peer)) this.#watch(peer);
  }

  #ended(peer: Peer): void {
    if (this.isPresent(peer)) {
      this.#connect(peer, "wait");
    } else {
      peer.disconnect();
      peer.report();
      if (this.#online) this.#watch(peer);
    }
  }

  /** `peer` is away: keeps it while its peer connection does well, and for a time where it doesn't. */
  #watch(peer: Peer): void {
    peer.pair?.pause();
    peer.link?.pathDown("relay");
    if (!peer.link) {
      this.#drop(peer, "disconnect");
    } else if (peer.pair?.state === "connected") {
      peer.stopTimer();
    } else if (peer.timer === 0) {
      const forMs = Math.max(AWAY_MS, this.#returnBy - this.#environment.now());
      peer.timer = this.#environment.setTimeout(() => this.#drop(peer, "disconnect"), forMs);
    }
  }

  #drop(peer: Peer, reason: LeftReason): void {
    if (!this.members.delete(peer.key)) return;
    if (this.isPresent(peer)) this.#present.delete(peer.userId);
    peer.close("member_gone");
    this.#port.left(peer, reason);
  }

  /** `sender` has sealed something with the key it shows. */
  #proved(sender: string): void {
    this.#present.get(sender)?.refuse(false);
    const newcomer = this.#takeNewcomer(sender);
    if (!newcomer) return;
    const { known, record, opening } = newcomer;
    if (!this.members.has(known.key)) {
      this.#add(record, opening);
    } else {
      if (this.isPresent(known)) {
        this.#closeChannel(known.userId);
        this.#present.delete(known.userId);
      }
      this.#present.set(sender, known);
      known.describe(record);
      this.#port.review(known);
      this.#reach(known);
      this.#reunite(known, opening);
    }
    this.#port.settled();
  }

  #negotiate(sender: string, description: PeerDescription): void {
    const peer = this.#present.get(sender);
    this.#connectNow(peer);
    if (peer?.pair?.isFromAnother(description)) {
      // The other side has started anew. If this answers our offer, only another offer can bring us together: a
      // beginner's client makes a peer connection for every offer it gets.
      if (description.type === "offer") this.#connect(peer, "wait");
      else if (peer.pair.awaitsAnswer) this.#connect(peer, description.labels ? "offer" : "plain");
      if (description.type === "answer") return;
    }
    peer?.pair?.receive(description);
  }
}
