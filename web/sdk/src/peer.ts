/** A member, as the application sees it: who it is, and what its current peer connection says. */

import type { Attributes, Member, MemberConnection, MemberEvents, Permission } from "./api.js";
import { Emitter } from "./emitter.js";
import type { MemberRecord } from "./messages.js";
import type { Pair } from "./pair.js";
import { RemoteStreams } from "./remote-streams.js";
import { permissions } from "./rights.js";

/** Enough for messages of the history that are still to be delivered. */
const FORMER_IDS_MAX = 16;

export class Peer extends Emitter<MemberEvents> implements Member {
  readonly key: string;
  /** Its peer connection; another one may take its place. */
  pair: Pair | null = null;
  /** Runs while something must happen by a time: being recognised, or, once gone from the room, recovering. */
  timer = 0;
  /** The ids it had before, latest first. */
  formerIds: readonly string[] = [];
  #record: MemberRecord;
  #can: ReadonlySet<Permission>;
  #connection: MemberConnection = "connecting";
  readonly #streams = new RemoteStreams({
    added: (...values) => this.emit("track", ...values),
    removed: (...values) => this.emit("streamremoved", ...values),
  });

  constructor(key: string, record: MemberRecord) {
    super();
    this.key = key;
    this.#record = record;
    this.#can = permissions(record);
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

  /** Whether we are the polite one towards it. */
  get polite(): boolean {
    return this.#record.polite ?? false;
  }

  async getStats(): Promise<RTCStatsReport> {
    return this.pair?.getStats() ?? new Map();
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
    this.pair?.close();
    this.pair = null;
    this.#streams.clear();
  }

  /** Says how the connection does, if that is news. */
  report(state: MemberConnection): void {
    if (this.#connection === state) return;
    this.#connection = state;
    this.emit("connection", state);
  }
}

/** All that the application can see of a record. */
function shown(record: MemberRecord): string {
  return JSON.stringify({ ...record, polite: null });
}
