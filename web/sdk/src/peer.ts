/** A member, as the application sees it: who it is, the link with it, and what its current peer connection says. */

import type { Member, MemberEvents, Path, Permission, Sealing, Self } from "./api.js";
import { createEmitter } from "./emitter.js";
import type { Environment } from "./environment.js";
import { type OwnCode, SheetbendError } from "./errors.js";
import { createMemberLink, type MemberLink } from "./member-link.js";
import type { MemberRecord } from "./messages.js";
import type { Opening, Pair } from "./pair.js";
import { createRemoteStreams } from "./remote-streams.js";
import type { SealedChannel } from "./sealed-channel.js";

/** What the link with a member needs of the mesh. */
export interface PeerPort {
  /** Whether our key is the smaller one. */
  isFirst: boolean;
  sealing: Sealing;
  /** By user id. */
  channels: ReadonlyMap<string, SealedChannel>;
  /** Bytes that wait in the connection to the server. */
  bufferedBytes(): number;
  /** The server doesn't bring anything back. */
  suspectRelay(): void;
}

/** Changed here and by the mesh; the application reads it. */
type MutableMember = { -readonly [K in keyof Member]: Member[K] };

export interface Peer extends MutableMember {
  /** The key that it shows to the room, if it has one. */
  readonly publicKey: string | undefined;
  /** Null without keys. */
  readonly link: MemberLink | null;
  /** Its peer connection; another one may take its place. */
  pair: Pair | null;
  /** How to make the peer connection, if it comes behind the first messages. */
  opening: Opening | null;
  /** Runs while something must happen by a time: once gone from the room, coming back. */
  timer: number;
  /** Those it has and had, latest first. */
  ids: readonly string[];
  /** Whether we are the polite one towards it. */
  polite: boolean;
  /** Takes what the server says about it. */
  describe(record: MemberRecord): void;
  /** Takes its tracks, or has its peer connection refuse them. */
  enforceRights(): void;
  receiveTrack(track: MediaStreamTrack, stream: MediaStream, label: string): void;
  /** Ends its peer connection, and with it its streams. */
  disconnect(): void;
  /** What comes isn't sealed as agreed, until there is another agreement. */
  refuse(isRefused: boolean): void;
  /** Does nothing by a time any more. */
  stopTimer(): void;
  /** Nothing can be sent to it any more, for this reason. */
  close(code: OwnCode): void;
  /** Says how the connection does, if that is news. */
  report(): void;
  /** Looks which way what is sent goes. */
  look(): void;
}

/** The rights of a member of which the server says nothing. */
const ORDINARY: readonly Permission[] = ["publish", "subscribe", "message"];
/** Enough for messages of the history that are still to be delivered. */
const IDS_MAX = 17;
/** From there on the relay had better be given no more for now: it delays what is said in the room. */
const RELAY_BYTES_MAX = 1 << 17;
/** A TURN server at the other end is known by its candidate, which may come after the path is there. */
const LOOK_AGAIN_MS = 1000;

export function createPeer(
  key: string,
  record: MemberRecord,
  environment: Environment,
  port: PeerPort | null,
): Peer {
  const events = createEmitter<MemberEvents>();
  const { emit } = events;
  const streams = createRemoteStreams(
    (...values) => emit("track", ...values),
    (...values) => emit("streamremoved", ...values),
  );
  const link =
    port &&
    createMemberLink(environment, port.isFirst, (stream) => channel()?.safetyWords(stream), {
      transmit(path, frame, lossy) {
        if (path === "relay") channel()?.send(frame, lossy);
        else peer.pair?.send(frame, lossy);
      },
      isReady: (path) =>
        path === "relay"
          ? port.bufferedBytes() + (channel()?.sealingBytes ?? 0) < RELAY_BYTES_MAX
          : (peer.pair?.isReady ?? false),
      message: (data, how) => emit("message", data, how),
      stream: (stream) => emit("stream", stream),
      moved: look,
      silent(path, isSilent) {
        if (path === "direct") peer.pair?.silent(isSilent);
        else if (isSilent) port.suspectRelay();
      },
      words(words) {
        peer.safetyWords = words;
        emit("safetywords", words);
      },
    });
  const way = link ?? { path: null, rttMs: null, rates: { sent: 0, received: 0 } };
  let shown = shownOf(record);
  let lookTimer = 0;
  let isRefused = false;

  const peer: Peer = {
    ...events,
    ...personOf(record),
    key,
    publicKey: record.key,
    sealing: port?.sealing ?? null,
    link,
    pair: null,
    opening: null,
    timer: 0,
    ids: [record.userId],
    safetyWords: null,
    connection: "connecting",
    path: null,
    streams: streams.byId,
    polite: record.polite ?? false,

    get rttMs() {
      return way.rttMs;
    },

    get rates() {
      return way.rates;
    },

    async getStats() {
      return peer.pair?.getStats() ?? new Map();
    },

    async send(data, { reliable = true } = {}) {
      await requireLink().send(data, reliable);
    },

    stream: (label = "") => requireLink().openStream(label),

    describe(record) {
      peer.polite = record.polite ?? peer.polite;
      const before = shown;
      shown = shownOf(record);
      if (before === shown) return;
      peer.ids = [...new Set([record.userId, ...peer.ids])].slice(0, IDS_MAX);
      Object.assign(peer, personOf(record));
      enforceRights();
      emit("update");
    },

    enforceRights,
    receiveTrack: streams.add,

    disconnect,

    refuse(refused) {
      if (isRefused === refused) return;
      isRefused = refused;
      report();
      look();
    },

    stopTimer,

    close(code) {
      stopTimer();
      disconnect();
      link?.close(new SheetbendError(code));
    },

    report,
    look,
  };

  function channel(): SealedChannel | undefined {
    return port?.channels.get(peer.userId);
  }

  function stopTimer(): void {
    environment.clearTimeout(peer.timer);
    peer.timer = 0;
  }

  function disconnect(): void {
    environment.clearTimeout(lookTimer);
    peer.pair?.close();
    peer.pair = null;
    link?.pathDown("direct");
    streams.clear();
  }

  function requireLink(): MemberLink {
    if (link) return link;
    throw new SheetbendError("sealing_unavailable", "Sealing needs a key on both sides.");
  }

  function enforceRights(): void {
    const mayPublish = peer.can.has("publish");
    peer.pair?.setReceiving(mayPublish);
    if (!mayPublish) streams.clear();
  }

  function report(): void {
    const state = (!isRefused && peer.pair?.state) || "failed";
    if (peer.connection === state) return;
    peer.connection = state;
    emit("connection", state);
  }

  function look(): void {
    const { path } = way;
    environment.clearTimeout(lookTimer);
    if (path === "direct") {
      lookAtDirectPath();
      lookTimer = environment.setTimeout(lookAtDirectPath, LOOK_AGAIN_MS);
    } else setPath(path);
  }

  /** It may be one through a TURN server. */
  async function lookAtDirectPath(): Promise<void> {
    const { pair } = peer;
    const isTurned = await pair?.isTurned().catch(() => false);
    if (way.path === "direct" && peer.pair === pair) setPath(isTurned ? "turn" : "direct");
  }

  function setPath(way: Path | null): void {
    const path = isRefused ? null : way;
    if (peer.path === path) return;
    peer.path = path;
    emit("path", path);
  }

  return peer;
}

/** Who the server says somebody is. */
export function personOf(record: MemberRecord): Self {
  const { userId, name, attributes, can = ORDINARY, muted = false, subject = null } = record;
  return { userId, name, attributes, can: new Set(can), muted, subject };
}

/** All that the application can see of a record. */
function shownOf(record: MemberRecord): string {
  return JSON.stringify({ ...record, polite: null });
}
