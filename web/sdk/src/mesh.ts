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

export type Mesh = ReturnType<typeof createMesh>;

export function createMesh(environment: Environment, port: MeshPort) {
  /** By key, in order of appearance. */
  const members = new Map<string, Peer>();
  const present = new Map<string, Peer>();
  const newcomers = new Map<string, Newcomer>();
  /** What is said through the server with those in the room who have a key, by user id. */
  const channels = new Map<string, SealedChannel>();
  const ownIds: string[] = [];
  let keys: RoomKeys | null = null;
  let configuration: RTCConfiguration = {};
  /** Our session is in the room. */
  let isOnline = false;
  /** And the server can be reached, and relays. */
  let isRelayed = false;
  let relays = false;
  /** Runs after each entrance, while those who were here may still be on their way back. */
  let returnTimer = 0;
  let isReturning = false;
  let returnBy = 0;
  let memberKeys = 0;

  /** What to seal with from the first entrance on; without it nothing is. */
  function useKeys(roomKeys: RoomKeys): void {
    keys = roomKeys;
  }

  /** Who had this id when something was said, if it is somebody we know. */
  function knownAs(userId: string): Peer | undefined {
    return present.get(userId) ?? find(({ ids }) => ids.includes(userId));
  }

  /** Whether we have, or had, this id. */
  function isSelf(userId: string): boolean {
    return ownIds.includes(userId);
  }

  function isPresent(peer: Peer): boolean {
    return present.get(peer.userId) === peer;
  }

  /** We are in the room, as `ownId`, with these others. */
  function enter(ownId: string, others: readonly MemberRecord[]): void {
    isOnline = true;
    isRelayed = relays;
    awaitReturns();
    ownIds.unshift(ownId);
    ownIds.length = Math.min(ownIds.length, FORMER_IDS_MAX);
    const known = new Map([...members.values()].map((peer) => [peer.userId, peer]));
    for (const record of others) {
      const peer = known.get(record.userId);
      if (peer && peer.publicKey === record.key) {
        openChannel(record);
        welcomeBack(peer, record, "wait");
      } else meet(record, record.polite ? "wait" : "offer");
    }
    for (const peer of members.values()) if (!isPresent(peer)) watch(peer);
  }

  /** Uses other ICE servers from now on; what is connected, from its next restart on. */
  function configure(fresh: RTCConfiguration): void {
    configuration = fresh;
    for (const { pair } of members.values()) pair?.configure(configuration);
  }

  /** Whether the server relays frames. */
  function useRelay(isThere: boolean): void {
    relays = isThere;
  }

  /** The server can't be reached for now. */
  function suspend(): void {
    isRelayed = false;
    for (const { pair, link } of members.values()) {
      pair?.holdCandidates();
      link?.pathDown("relay");
    }
  }

  /** And now it can again, and nothing has changed. */
  function goOn(): void {
    isRelayed = relays;
    for (const { pair } of members.values()) pair?.releaseCandidates();
    for (const peer of present.values()) reach(peer);
  }

  /** The network has changed. */
  function networkChanged(): void {
    for (const { pair } of members.values()) pair?.networkChanged();
  }

  /** Our own session is lost: nobody can be reached, nothing can be known. */
  function lost(): void {
    isOnline = false;
    suspend();
    environment.clearTimeout(returnTimer);
    admitAll();
    present.clear();
    for (const userId of [...channels.keys()]) closeChannel(userId);
    for (const peer of members.values()) {
      peer.stopTimer();
      peer.pair?.pause();
      peer.pair?.releaseCandidates();
    }
  }

  function joined(record: MemberRecord): void {
    // A newcomer towards whom we are the polite one is of the lesson dialect (PROTOCOL.md).
    meet(record, record.polite ? "plain" : "offer");
  }

  function left(userId: string, reason: LeftReason): void {
    const peer = present.get(userId);
    takeNewcomer(userId);
    closeChannel(userId);
    present.delete(userId);
    if (peer && reason !== "disconnect") drop(peer, reason);
    else if (peer) watch(peer);
    port.settled();
  }

  function updated(record: MemberRecord): void {
    const newcomer = newcomers.get(record.userId);
    if (newcomer) newcomer.record = { ...newcomer.record, ...record };
    const peer = present.get(record.userId);
    if (!peer) return;
    peer.describe(record);
    port.review(peer);
  }

  /** Takes signalling from another member. */
  function signal(message: Forwarded): void {
    const { type, sender } = message;
    const channel = channels.get(sender);
    if (type === "ice-candidate") {
      const candidate = decodeCandidate(message.candidate);
      const add = () => candidate && present.get(sender)?.pair?.addCandidate(candidate);
      if (channel) channel.verify(null, null, add);
      else add();
      return;
    }
    const description = decodeDescription(type, message.sdp);
    if (!description) return;
    if (channel) verify(channel, sender, description);
    else if (!present.get(sender)?.link && !keys?.secret) negotiate(sender, description);
  }

  /** Takes a relay frame. */
  function receive(frame: Uint8Array<ArrayBuffer>): void {
    if (frame.length < HEADER_BYTES) return;
    const sender = toHex(frame.subarray(HEADER_BYTES - 16, HEADER_BYTES));
    channels.get(sender)?.receive(frame[0] ?? 0, frame.subarray(HEADER_BYTES));
  }

  /** Takes a newcomer for somebody we don't know. */
  function admit(userId: string): void {
    const newcomer = takeNewcomer(userId);
    if (!newcomer) return;
    add(newcomer.record, newcomer.opening);
    port.settled();
  }

  /** Takes all of them so. */
  function admitAll(): void {
    for (const userId of [...newcomers.keys()]) admit(userId);
  }

  /** Ends every link and peer connection, silently. */
  function close(): void {
    environment.clearTimeout(returnTimer);
    for (const { timer } of newcomers.values()) environment.clearTimeout(timer);
    for (const channel of channels.values()) channel.close();
    for (const peer of members.values()) peer.close("closed");
    for (const each of [channels, newcomers, present, members]) each.clear();
  }

  function find(isWho: (peer: Peer) => boolean): Peer | undefined {
    return [...members.values()].find(isWho);
  }

  function awaitReturns(): void {
    isReturning = members.size > 0;
    if (!isReturning) return;
    returnBy = environment.now() + RETURN_MS;
    returnTimer = environment.setTimeout(() => {
      isReturning = false;
      port.settled();
    }, RECOGNITION_MS);
  }

  function meet(record: MemberRecord, opening: Opening): void {
    const { userId } = record;
    if (present.has(userId) || newcomers.has(userId) || ownIds.includes(userId)) return;
    openChannel(record);
    const key = keyOf(record);
    const known = key ? find(({ publicKey }) => publicKey === key) : undefined;
    if (!known?.link) {
      add(record, opening);
      return;
    }
    const timer = environment.setTimeout(() => admit(userId), RECOGNITION_MS);
    newcomers.set(userId, { record, opening, timer, known });
    // By this it recognises us, if it is who it seems to be.
    channels.get(userId)?.send(known.link.greeting(), false);
  }

  function add(record: MemberRecord, opening: Opening): void {
    const shared = keyOf(record) ? keys : null;
    const peer = createPeer(
      `m${++memberKeys}`,
      record,
      environment,
      shared && {
        ...port,
        isFirst: shared.keyPair.key < (record.key ?? ""),
        sealing: shared.secret === null ? "keys" : "secret",
        channels,
      },
    );
    members.set(peer.key, peer);
    present.set(record.userId, peer);
    port.member(peer);
    reach(peer);
    // To make a peer connection takes browsers 10 to 20 ms, in which the first messages would wait.
    if (channels.get(peer.userId)?.sealingBytes) peer.opening = opening;
    else connect(peer, opening);
  }

  function connectNow(peer: Peer | undefined): void {
    if (peer?.opening && isPresent(peer)) connect(peer, peer.opening);
  }

  function takeNewcomer(userId: string): Newcomer | undefined {
    const newcomer = newcomers.get(userId);
    environment.clearTimeout(newcomer?.timer ?? 0);
    newcomers.delete(userId);
    return newcomer;
  }

  /** The key we can agree with somebody on, if we have one too. Our own is a key that was taken from us. */
  function keyOf({ key }: MemberRecord): string | undefined {
    return key !== keys?.keyPair.key ? key : undefined;
  }

  function openChannel(record: MemberRecord): void {
    const { userId } = record;
    const otherKey = keyOf(record);
    const ownId = ownIds[0];
    if (!keys || !otherKey || !ownId) return;
    const { keyPair, roomId, roomTag, secret } = keys;
    const target = fromHex(userId);
    const channel = createSealedChannel(
      keyPair,
      { roomId, ownId, otherId: userId, otherKey, secret },
      {
        transmit: (kind, sealed) => isRelayed && port.relay(join([kind], roomTag, target, sealed)),
        opened: (frame) => {
          proved(userId);
          present.get(userId)?.link?.receive("relay", frame);
        },
        refused: (error) => refused(userId, error),
        idle: () => connectNow(present.get(userId)),
      },
    );
    channels.set(userId, channel);
  }

  /** `peer` is the one with whom the channel of its user id is. */
  function reach(peer: Peer): void {
    peer.refuse(false);
    if (isRelayed && channels.has(peer.userId)) peer.link?.pathUp("relay");
  }

  function closeChannel(userId: string): void {
    channels.get(userId)?.close();
    channels.delete(userId);
  }

  function verify(channel: SealedChannel, sender: string, description: PeerDescription): void {
    const { type, sdp, labels, tag } = description;
    try {
      channel.verify(descriptionParts(type, sdp, labels ?? []), tag, () => {
        proved(sender);
        negotiate(sender, description);
      });
    } catch (error) {
      if (error instanceof SheetbendError) refused(sender, error);
    }
  }

  function refused(userId: string, error: SheetbendError): void {
    const peer = present.get(userId);
    if (!peer) return;
    peer.refuse(true);
    port.refused(peer, error);
  }

  /** `peer` is in the room again: goes on with its peer connection, if there is one that knows the other end. */
  function welcomeBack(peer: Peer, record: MemberRecord, opening: Opening): void {
    present.set(record.userId, peer);
    peer.describe(record);
    port.review(peer);
    reach(peer);
    peer.stopTimer();
    if (peer.link && peer.pair) peer.pair.resume(peer.polite);
    else connect(peer, opening);
  }

  /** Makes a peer connection with `peer`, in place of the one there may be. */
  function connect(peer: Peer, opening: Opening): void {
    peer.opening = null;
    peer.stopTimer();
    peer.disconnect();
    if (!isOnline) return;
    // Who has no key can't show that it has the secret.
    if (!keys?.secret || peer.link) peer.pair = pairWith(peer, opening);
    peer.enforceRights();
    peer.report();
    port.review(peer);
    port.settled();
  }

  function pairWith(peer: Peer, opening: Opening): Pair | null {
    try {
      return createPair(environment, configuration, opening, peer.polite, {
        sendDescription({ type, sdp }) {
          const streams = port.labels();
          const parts = descriptionParts(type, sdp, Object.entries(streams));
          bind(peer, parts, (tag) => port.signal(type, peer.userId, { type, sdp, streams, tag }));
        },
        sendCandidate: (candidate) =>
          bind(peer, null, () => port.signal("ice-candidate", peer.userId, candidate)),
        track: peer.receiveTrack,
        changed: () => changed(peer),
        opened: () => peer.link?.pathUp("direct"),
        frame: (frame) => peer.link?.receive("direct", frame),
        ready: () => peer.link?.pathReady("direct"),
        rerouted: peer.look,
        ended: () => ended(peer),
      });
    } catch {
      return null; // Chromium makes at most 500 peer connections; the room itself goes on.
    }
  }

  /** Sends with a tag what `parts` are of, where the two have keys. */
  function bind(peer: Peer, parts: readonly string[] | null, send: (tag?: string) => void): void {
    const channel = channels.get(peer.userId);
    if (channel) channel.bind(parts, send);
    else if (!peer.link) send();
  }

  function changed(peer: Peer): void {
    peer.report();
    if (isOnline && !isPresent(peer)) watch(peer);
  }

  function ended(peer: Peer): void {
    if (isPresent(peer)) {
      connect(peer, "wait");
    } else {
      peer.disconnect();
      peer.report();
      if (isOnline) watch(peer);
    }
  }

  /** `peer` is away: keeps it while its peer connection does well, and for a time where it doesn't. */
  function watch(peer: Peer): void {
    peer.pair?.pause();
    peer.link?.pathDown("relay");
    if (!peer.link) {
      drop(peer, "disconnect");
    } else if (peer.pair?.state === "connected") {
      peer.stopTimer();
    } else if (peer.timer === 0) {
      const forMs = Math.max(AWAY_MS, returnBy - environment.now());
      peer.timer = environment.setTimeout(() => drop(peer, "disconnect"), forMs);
    }
  }

  function drop(peer: Peer, reason: LeftReason): void {
    if (!members.delete(peer.key)) return;
    if (isPresent(peer)) present.delete(peer.userId);
    peer.close("member_gone");
    port.left(peer, reason);
  }

  /** `sender` has sealed something with the key it shows. */
  function proved(sender: string): void {
    present.get(sender)?.refuse(false);
    const newcomer = takeNewcomer(sender);
    if (!newcomer) return;
    const { known, record, opening } = newcomer;
    if (!members.has(known.key)) {
      add(record, opening);
    } else {
      if (isPresent(known)) {
        closeChannel(known.userId);
        present.delete(known.userId);
      }
      welcomeBack(known, record, opening);
    }
    port.settled();
  }

  function negotiate(sender: string, description: PeerDescription): void {
    const peer = present.get(sender);
    connectNow(peer);
    if (peer?.pair?.isFromAnother(description)) {
      // The other side has started anew. If this answers our offer, only another offer can bring us together: a
      // beginner's client makes a peer connection for every offer it gets.
      if (description.type === "offer") connect(peer, "wait");
      else if (peer.pair.awaitsAnswer) connect(peer, description.labels ? "offer" : "plain");
      if (description.type === "answer") return;
    }
    peer?.pair?.receive(description);
  }

  return {
    members,
    /** Whether somebody who is away may yet turn out to be in the room. */
    get isSettling(): boolean {
      return isReturning || newcomers.size > 0;
    },
    useKeys,
    /** Who has this id in the room now; a newcomer is nobody. */
    presentAs: (userId: string) => present.get(userId),
    knownAs,
    isSelf,
    isNewcomer: (userId: string) => newcomers.has(userId),
    enter,
    configure,
    useRelay,
    suspend,
    goOn,
    networkChanged,
    lost,
    joined,
    left,
    updated,
    signal,
    receive,
    admit,
    admitAll,
    close,
  };
}
