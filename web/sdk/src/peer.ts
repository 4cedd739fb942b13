/** A member, as the application sees it: who it is, the link with it, and what its current peer connection says. */

import type {
  Attributes,
  Member,
  MemberConnection,
  MemberEvents,
  MemberStream,
  Path,
  Permission,
  Rates,
  Sealing,
} from "./api.js";
import { createEmitter } from "./emitter.js";
import type { Environment } from "./environment.js";
import { SheetbendError } from "./errors.js";
import type { PathName } from "./link/effects.js";
import { createMemberLink, type MemberLink } from "./member-link.js";
import type { MemberRecord } from "./messages.js";
import type { Pair } from "./pair.js";
import { RemoteStreams } from "./remote-streams.js";
import { permissions } from "./rights.js";
import type { SafetyWords } from "./sealing.js";

/** What the link with a member needs of the mesh. */
export interface PeerPort {
  /** Whether our key is the smaller one. */
  isFirst: boolean;
  sealing: Sealing;
  safetyWords(peer: Peer): Promise<SafetyWords | null> | undefined;
  relay(peer: Peer, frame: Uint8Array<ArrayBuffer>, lossy: boolean): void;
  isRelayReady(peer: Peer): boolean;
  suspectRelay(): void;
}

/** Enough for messages of the history that are still to be delivered. */
const FORMER_IDS_MAX = 16;
/** A TURN server at the other end is known by its candidate, which may come after the path is there. */
const LOOK_AGAIN_MS = 1000;

export class Peer implements Member {
  readonly #events = createEmitter<MemberEvents>();
  readonly on = this.#events.on;
  readonly once = this.#events.once;
  readonly off = this.#events.off;
  readonly emit = this.#events.emit;
  readonly key: string;
  /** The key that it shows to the room, if it has one. */
  readonly publicKey: string | undefined;
  readonly sealing: Sealing | null;
  /** Null without keys. */
  readonly link: MemberLink | null;
  /** Its peer connection; another one may take its place. */
  pair: Pair | null = null;
  /** Runs while something must happen by a time: once gone from the room, coming back. */
  timer = 0;
  /** The ids it had before, latest first. */
  formerIds: readonly string[] = [];
  safetyWords: readonly number[] | null = null;
  readonly #environment: Environment;
  #record: MemberRecord;
  #can: ReadonlySet<Permission>;
  #connection: MemberConnection = "connecting";
  #path: Path | null = null;
  #lookTimer = 0;
  #isRefused = false;
  readonly #streams = new RemoteStreams({
    added: (...values) => this.emit("track", ...values),
    removed: (...values) => this.emit("streamremoved", ...values),
  });

  constructor(key: string, record: MemberRecord, environment: Environment, port: PeerPort | null) {
    this.key = key;
    this.publicKey = record.key;
    this.sealing = port?.sealing ?? null;
    this.#environment = environment;
    this.#record = record;
    this.#can = permissions(record);
    this.link = port && this.#createLink(port);
  }

  get userId(): string {
    return this.#record.userId;
  }

  get name(): string {
    return this.#record.name;
  }

  get attributes(): Attributes {
    return this.#record.attributes;
  }

  get can(): ReadonlySet<Permission> {
    return this.#can;
  }

  get muted(): boolean {
    return this.#record.muted ?? false;
  }

  get subject(): string | null {
    return this.#record.subject ?? null;
  }

  get connection(): MemberConnection {
    return this.#connection;
  }

  get streams() {
    return this.#streams.byId;
  }

  get path(): Path | null {
    return this.#path;
  }

  get rttMs(): number | null {
    return this.link?.rttMs ?? null;
  }

  get rates(): Rates {
    return this.link?.rates ?? { sent: 0, received: 0 };
  }

  /** Whether we are the polite one towards it. */
  get polite(): boolean {
    return this.#record.polite ?? false;
  }

  async getStats(): Promise<RTCStatsReport> {
    return this.pair?.getStats() ?? new Map();
  }

  async send(
    data: string | ArrayBuffer | ArrayBufferView,
    { reliable = true }: { reliable?: boolean } = {},
  ): Promise<void> {
    await this.#requireLink().send(data, reliable);
  }

  stream(label = ""): MemberStream {
    return this.#requireLink().openStream(label);
  }

  /** Takes what the server says about it. */
  describe(record: MemberRecord): void {
    const before = this.#record;
    this.#record = { ...record, polite: record.polite ?? this.polite };
    if (shown(before) === shown(record)) return;
    if (before.userId !== record.userId)
      this.formerIds = [before.userId, ...this.formerIds].slice(0, FORMER_IDS_MAX);
    this.#can = permissions(record);
    this.enforceRights();
    this.emit("update");
  }

  /** Takes its tracks, or has its peer connection refuse them. */
  enforceRights(): void {
    const mayPublish = this.#can.has("publish");
    this.pair?.setReceiving(mayPublish);
    if (!mayPublish) this.#streams.clear();
  }

  receiveTrack(track: MediaStreamTrack, stream: MediaStream, label: string): void {
    this.#streams.add(track, stream, label);
  }

  /** Ends its peer connection, and with it its streams. */
  disconnect(): void {
    this.#environment.clearTimeout(this.#lookTimer);
    this.pair?.close();
    this.pair = null;
    this.link?.pathDown("direct");
    this.#streams.clear();
  }

  /** What comes isn't sealed as agreed, until there is another agreement. */
  refuse(isRefused: boolean): void {
    if (this.#isRefused === isRefused) return;
    this.#isRefused = isRefused;
    this.report(this.pair?.state ?? "failed");
    this.#moved(this.link?.path ?? null);
  }

  /** Does nothing by a time any more. */
  stopTimer(): void {
    this.#environment.clearTimeout(this.timer);
    this.timer = 0;
  }

  /** Says how the connection does, if that is news. */
  report(connection: MemberConnection): void {
    const state = this.#isRefused ? "failed" : connection;
    if (this.#connection === state) return;
    this.#connection = state;
    this.emit("connection", state);
  }

  /** Looks whether the direct path is one through a TURN server. */
  look(): void {
    if (this.link?.path !== "direct") return;
    this.#setDirectPath();
    this.#environment.clearTimeout(this.#lookTimer);
    this.#lookTimer = this.#environment.setTimeout(() => this.#setDirectPath(), LOOK_AGAIN_MS);
  }

  #requireLink(): MemberLink {
    if (this.link) return this.link;
    throw new SheetbendError("sealing_unavailable", "Nothing can be sealed here, or by this member.");
  }

  #createLink({ isFirst, safetyWords, relay, isRelayReady, suspectRelay }: PeerPort): MemberLink {
    return createMemberLink(this.#environment, isFirst, () => safetyWords(this), {
      transmit: (path, frame, lossy) =>
        path === "relay" ? relay(this, frame, lossy) : this.pair?.send(frame, lossy),
      isReady: (path) => (path === "relay" ? isRelayReady(this) : (this.pair?.isReady ?? false)),
      message: (data, how) => this.emit("message", data, how),
      stream: (stream) => this.emit("stream", stream),
      moved: (path) => this.#moved(path),
      silent: (path, isSilent) => {
        if (path === "direct") this.pair?.silent(isSilent);
        else if (isSilent) suspectRelay();
      },
      words: (words) => {
        this.safetyWords = words;
        this.emit("safetywords", words);
      },
    });
  }

  #moved(path: PathName | null): void {
    this.#environment.clearTimeout(this.#lookTimer);
    if (path === "direct") this.look();
    else this.#setPath(path);
  }

  async #setDirectPath(): Promise<void> {
    const { pair } = this;
    const isTurned = await pair?.isTurned().catch(() => false);
    if (this.link?.path === "direct" && this.pair === pair) this.#setPath(isTurned ? "turn" : "direct");
  }

  #setPath(way: Path | null): void {
    const path = this.#isRefused ? null : way;
    if (this.#path === path) return;
    this.#path = path;
    this.emit("path", path);
  }
}

/** All that the application can see of a record. */
function shown(record: MemberRecord): string {
  return JSON.stringify({ ...record, polite: null });
}
