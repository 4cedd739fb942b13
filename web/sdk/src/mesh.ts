/**
 * Who is in the room, and one peer connection with each of them.
 *
 * Keeps members, and calls with them, through anything that happens to signalling on either side: whose session is
 * lost comes back under a new user id, and `reclaim.ts` tells who is who. A member is, at any time,
 *
 *     newcomer   just seen under a new id. May be someone we know: for a moment it is nobody yet
 *     present    in the room under its `userId`
 *     away       not in the room, but its peer connection lives: waits to be recognised
 *
 * and, while our own session is lost, everybody is away. Leaves to others: text and sockets (`signalling`), room
 * messages (`room`), the peer connections themselves (`pair`).
 */

import type { LeftReason } from "./api.js";
import type { Environment } from "./environment.js";
import type { Forwarded, MemberRecord, SignalType } from "./messages.js";
import { type Opening, Pair } from "./pair.js";
import { Peer } from "./peer.js";
import {
  decodeCandidate,
  decodeDescription,
  type Identity,
  type PeerDescription,
  type ReclaimProof,
} from "./peer-messages.js";

/** What the mesh asks of the room. */
export interface MeshPort {
  /** Sends `value` as the `sdp` or `candidate` of a signalling message. */
  signal(type: SignalType, target: string, value: unknown): void;
  /** Labels by stream id, of everything we publish. */
  labels(): { [streamId: string]: string };
  /** A member has a new peer connection, or other rights: give it our tracks, or take them away. */
  review(peer: Peer): void;
  member(peer: Peer): void;
  left(peer: Peer, reason: LeftReason): void;
  /** A newcomer was recognised, admitted, or is gone. */
  settled(): void;
}

/** How long a newcomer can be someone we know, when somebody is away. It takes them a round trip or two. */
const RECOGNITION_MS = 3000;

/** The same when nobody is: a member's proof follows in the same packet if the server hasn't missed it yet. */
const QUICK_RECOGNITION_MS = 100;

/** How long an away member's peer connection may be disconnected. */
const AWAY_DISCONNECTED_MS = 5000;

/** Own ids remembered, so as not to meet ourselves while the server hasn't noticed that an old connection is dead. */
const FORMER_IDS_MAX = 16;

interface Newcomer {
  record: MemberRecord;
  opening: Opening;
  timer: number;
}

export class Mesh {
  /** By key, in order of appearance. */
  readonly members = new Map<string, Peer>();
  readonly #environment: Environment;
  readonly #port: MeshPort;
  readonly #present = new Map<string, Peer>();
  readonly #newcomers = new Map<string, Newcomer>();
  readonly #ownIds: string[] = [];
  #configuration: RTCConfiguration = {};
  #online = false;
  /** Runs after each entrance, while those who were here may still be on their way back. */
  #returnTimer = 0;
  #isReturning = false;
  #keys = 0;

  constructor(environment: Environment, port: MeshPort) {
    this.#environment = environment;
    this.#port = port;
  }

  /** Who has this id in the room now; null for nobody, a newcomer included. */
  presentAs(userId: string): Peer | null {
    return this.#present.get(userId) ?? null;
  }

  /** Who had this id when something was said; null if it is nobody of those we know. */
  knownAs(userId: string): Peer | null {
    const isWho = (peer: Peer) => peer.userId === userId || peer.formerIds.includes(userId);
    return this.presentAs(userId) ?? [...this.members.values()].find(isWho) ?? null;
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

  /** Sends proofs to everyone's last known id. To be called first thing on a new connection, right behind `join`. */
  greet(): void {
    for (const peer of this.members.values()) this.#prove(peer, peer.pair?.reclaim.peerUserId ?? peer.userId);
  }

  /** We are in the room, as `ownId`, with these others. */
  enter(ownId: string, others: readonly MemberRecord[], configuration: RTCConfiguration): void {
    this.#online = true;
    this.#awaitReturns();
    this.#configuration = configuration;
    this.#ownIds.unshift(ownId);
    this.#ownIds.length = Math.min(this.#ownIds.length, FORMER_IDS_MAX);
    const known = new Map([...this.members.values()].map((peer) => [peer.userId, peer]));
    for (const record of others) {
      const peer = known.get(record.userId);
      if (peer) this.#welcomeBack(peer, record);
    }
    for (const peer of [...this.members.values()]) {
      peer.pair?.configure(configuration);
      peer.pair?.announce(ownId);
      if (!this.isPresent(peer)) this.#watch(peer);
    }
    for (const record of others)
      if (!known.has(record.userId)) this.#meet(record, record.polite ? "wait" : "offer");
  }

  /** Uses other ICE servers from now on; what is connected, from its next restart on. */
  configure(configuration: RTCConfiguration): void {
    this.#configuration = configuration;
    for (const { pair } of this.members.values()) pair?.configure(configuration);
  }

  /** The server can't be reached for now. */
  suspend(): void {
    for (const { pair } of this.members.values()) pair?.holdCandidates();
  }

  /** And now it can again, and nothing has changed. */
  goOn(): void {
    for (const { pair } of this.members.values()) pair?.releaseCandidates();
  }

  /** Our own session is lost: nobody can be reached, nothing can be known. */
  lost(): void {
    this.#online = false;
    this.#environment.clearTimeout(this.#returnTimer);
    this.admitAll();
    this.#present.clear();
    for (const peer of this.members.values()) {
      this.#environment.clearTimeout(peer.timer);
      peer.pair?.pause();
      peer.pair?.releaseCandidates();
      peer.pair?.reclaim.forgetProof();
    }
  }

  joined(record: MemberRecord): void {
    // A newcomer towards whom we are the polite one is of the lesson dialect (PROTOCOL.md).
    this.#meet(record, record.polite ? "plain" : "offer");
  }

  left(userId: string, reason: LeftReason): void {
    const peer = this.#present.get(userId);
    const newcomer = this.#newcomers.get(userId);
    if (newcomer) this.#takeNewcomer(userId, newcomer);
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
    if (type === "ice-candidate") {
      const candidate = decodeCandidate(message.candidate);
      if (candidate) this.#present.get(sender)?.pair?.addCandidate(candidate);
      return;
    }
    const description = decodeDescription(type, message.sdp);
    if (description?.type === "reclaim") this.#recognise(sender, description);
    else if (description) this.#negotiate(sender, description);
  }

  /** Takes a newcomer for somebody we don't know. */
  admit(userId: string): void {
    const newcomer = this.#newcomers.get(userId);
    if (!newcomer) return;
    this.#takeNewcomer(userId, newcomer);
    this.#add(newcomer.record, newcomer.opening);
    this.#port.settled();
  }

  /** Takes all of them so. */
  admitAll(): void {
    for (const userId of [...this.#newcomers.keys()]) this.admit(userId);
  }

  /** Ends every peer connection, silently. */
  close(): void {
    this.#environment.clearTimeout(this.#returnTimer);
    for (const { timer } of this.#newcomers.values()) this.#environment.clearTimeout(timer);
    for (const peer of this.members.values()) {
      this.#environment.clearTimeout(peer.timer);
      peer.disconnect();
    }
    this.#newcomers.clear();
    this.#present.clear();
    this.members.clear();
  }

  #awaitReturns(): void {
    this.#isReturning = this.members.size > 0;
    if (!this.#isReturning) return;
    this.#returnTimer = this.#environment.setTimeout(() => {
      this.#isReturning = false;
      this.#port.settled();
    }, RECOGNITION_MS);
  }

  #meet(record: MemberRecord, opening: Opening): void {
    const { userId } = record;
    if (this.#present.has(userId) || this.#newcomers.has(userId) || this.#ownIds.includes(userId)) return;
    const delayMs = this.#recognitionMs();
    if (delayMs === 0) {
      this.#add(record, opening);
      return;
    }
    const timer = this.#environment.setTimeout(() => this.admit(userId), delayMs);
    this.#newcomers.set(userId, { record, opening, timer });
    for (const peer of this.members.values()) {
      if (peer.pair?.reclaim.peerUserId === userId) this.#prove(peer, userId);
    }
  }

  #recognitionMs(): number {
    const recognisable = [...this.members.values()].filter((peer) => peer.pair?.reclaim.possible);
    if (recognisable.some((peer) => peer.pair?.paused)) return RECOGNITION_MS;
    return recognisable.length > 0 ? QUICK_RECOGNITION_MS : 0;
  }

  #add(record: MemberRecord, opening: Opening): void {
    const peer = new Peer(`m${++this.#keys}`, record);
    this.members.set(peer.key, peer);
    this.#present.set(record.userId, peer);
    this.#port.member(peer);
    this.#connect(peer, opening);
  }

  #takeNewcomer(userId: string, newcomer: Newcomer): void {
    this.#environment.clearTimeout(newcomer.timer);
    this.#newcomers.delete(userId);
  }

  /** We reconnected, and `peer` has kept its id. It must still prove who it is, as we must. */
  #welcomeBack(peer: Peer, record: MemberRecord): void {
    this.#present.set(record.userId, peer);
    peer.describe(record);
    this.#port.review(peer);
    if (!peer.pair?.reclaim.possible) {
      this.#connect(peer, "wait");
      return;
    }
    this.#prove(peer, record.userId);
    peer.timer = this.#environment.setTimeout(() => this.#connect(peer, "wait"), RECOGNITION_MS);
  }

  /** Makes a peer connection with `peer`, in place of the one there may be. */
  #connect(peer: Peer, opening: Opening): void {
    this.#environment.clearTimeout(peer.timer);
    peer.disconnect();
    if (!this.#online) return;
    try {
      peer.pair = this.#createPair(peer, opening);
    } catch {
      // Chromium makes at most 500 peer connections; the room itself goes on.
      peer.report("failed");
      return;
    }
    peer.enforceRights();
    peer.report(peer.pair.state);
    this.#port.review(peer);
    this.#port.settled();
  }

  #createPair(peer: Peer, opening: Opening): Pair {
    const signal = (type: SignalType, value: unknown) => this.#port.signal(type, peer.userId, value);
    return new Pair(this.#environment, this.#configuration, opening, peer.polite, {
      sendDescription: ({ type, sdp }) => {
        if (type === "offer" || type === "answer") signal(type, { type, sdp, streams: this.#port.labels() });
      },
      sendCandidate: (candidate) => signal("ice-candidate", candidate),
      track: (track, stream, label) => peer.receiveTrack(track, stream, label),
      changed: () => this.#changed(peer),
      opened: () => peer.pair?.announce(this.#ownIds[0] ?? ""),
      heard: (identity) => this.#heard(peer, identity),
      ended: () => this.#ended(peer),
    });
  }

  #changed(peer: Peer): void {
    if (peer.pair) peer.report(peer.pair.state);
    if (this.#online && !this.isPresent(peer)) this.#watch(peer);
  }

  #ended(peer: Peer): void {
    if (this.isPresent(peer)) {
      this.#connect(peer, "wait");
    } else if (this.#online) {
      this.#drop(peer, "disconnect");
    } else {
      peer.disconnect();
      peer.report("failed");
    }
  }

  /** `peer` is away: keeps it while its peer connection does well. */
  #watch(peer: Peer): void {
    this.#environment.clearTimeout(peer.timer);
    peer.pair?.pause();
    if (!peer.pair?.reclaim.possible || peer.pair.state === "failed") {
      this.#drop(peer, "disconnect");
    } else if (peer.pair.state !== "connected") {
      peer.timer = this.#environment.setTimeout(() => this.#drop(peer, "disconnect"), AWAY_DISCONNECTED_MS);
    }
  }

  #drop(peer: Peer, reason: LeftReason): void {
    if (!this.members.delete(peer.key)) return;
    this.#environment.clearTimeout(peer.timer);
    if (this.isPresent(peer)) this.#present.delete(peer.userId);
    peer.disconnect();
    this.#port.left(peer, reason);
  }

  #prove(peer: Peer, userId: string): void {
    const proof = peer.pair?.prove(userId);
    if (proof) this.#port.signal("offer", userId, proof);
  }

  /** The other end of a data channel said who it is now. */
  #heard(peer: Peer, { userId }: Identity): void {
    const isNews = userId !== peer.userId || peer.pair?.paused;
    if (isNews && (this.#present.has(userId) || this.#newcomers.has(userId))) this.#prove(peer, userId);
  }

  /** `sender` may be the other end of a peer connection that we know under another id. */
  #recognise(sender: string, proof: ReclaimProof): void {
    const peer = [...this.members.values()].find(({ pair }) => pair?.accepts(proof));
    const newcomer = this.#newcomers.get(sender);
    const present = this.#present.get(sender);
    if (!peer || !(newcomer || present)) return;
    if (present && present !== peer) {
      // Too late: it was met as a stranger, and both sides have gone on from there.
      if (!this.isPresent(peer)) this.#drop(peer, "disconnect");
      return;
    }
    if (newcomer) this.#rename(peer, newcomer);
    this.#prove(peer, sender);
    this.#environment.clearTimeout(peer.timer);
    if (newcomer || peer.pair?.paused) peer.pair?.resume(peer.polite);
    this.#port.settled();
  }

  #rename(peer: Peer, newcomer: Newcomer): void {
    const { userId } = newcomer.record;
    this.#takeNewcomer(userId, newcomer);
    if (this.isPresent(peer)) this.#present.delete(peer.userId);
    this.#present.set(userId, peer);
    peer.describe(newcomer.record);
    this.#port.review(peer);
  }

  #negotiate(sender: string, description: PeerDescription): void {
    this.admit(sender);
    const peer = this.#present.get(sender);
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
