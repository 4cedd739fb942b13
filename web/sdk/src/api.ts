/**
 * The public shapes: what an application sees of a room. The classes behind them are the SDK's own affair.
 */

import type { Environment } from "./environment.js";
import type { SheetbendError } from "./errors.js";
import type { ReconnectPolicy } from "./reconnect-policy.js";

/** What can travel in a room message or an attribute (RFC 8259). */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** Free facts about a member, up to 4096 bytes as JSON. Keys come from strangers: don't merge them into objects by assignment. */
export type Attributes = { readonly [key: string]: Json };

/** What `connect` takes. */
export interface ConnectOptions {
  /** The room's id, 1 to 128 characters. */
  room: string;
  /** Display name, up to 64 characters. Default `""`. */
  name?: string;
  /** Default `{}`. */
  attributes?: Attributes;
  /** Used in place of the servers that the server names in `welcome`. */
  iceServers?: RTCIceServer[];
  /** Default: `fullJitter()`, from 250 ms doubling to 10 s, never giving up. */
  reconnect?: ReconnectPolicy;
  /** Ends the attempt to connect, with the error `aborted`. No effect once connected. */
  signal?: AbortSignal;
  /** What the browser provides; for tests. */
  environment?: Environment;
}

/** `reconnecting`: the server can't be reached right now; calls with members go on all the same. */
export type RoomState = "connected" | "reconnecting" | "closed";

/** How a peer connection does, as a person would say it. `reconnecting` and `failed` mend themselves where they can. */
export type MemberConnection = "connecting" | "connected" | "reconnecting" | "failed";

/** Why somebody is gone: said goodbye, or was lost. */
export type LeftReason = "leave" | "disconnect";

/** Calls a listener with the values of each event. A listener that throws is reported as an uncaught error and disturbs nobody. */
export interface Emits<Events extends Record<keyof Events, unknown[]>> {
  /** Returns the function that takes the listener off. */
  on<K extends keyof Events>(type: K, listener: (...values: Events[K]) => void): () => void;
  /** Like `on`, for the next event only. */
  once<K extends keyof Events>(type: K, listener: (...values: Events[K]) => void): () => void;
  off<K extends keyof Events>(type: K, listener: (...values: Events[K]) => void): void;
}

/** You, in a room. A new object with each change. */
export interface Self {
  /** 32 hexadecimal digits, chosen by the server; another after each reconnect. */
  readonly userId: string;
  readonly name: string;
  readonly attributes: Attributes;
}

/** A room message, in the room's order. */
export interface RoomMessage {
  readonly sender: Member | Self;
  readonly data: Json;
  /** Its place in the room's order; grows, with gaps. */
  readonly offset: number;
  /** Whether it was sent from here. */
  readonly own: boolean;
  /** Who it was for, as far as they are known here; absent if it was for everybody. */
  readonly to?: readonly (Member | Self)[];
}

/** How a room ended. */
export interface CloseReason {
  /** WebSocket close code; 1000 after `leave()`. */
  readonly code: number;
  readonly reason: string;
  /** Absent after `leave()`. */
  readonly error?: SheetbendError;
}

/** Events of a room. */
export interface RoomEvents {
  /** Somebody is there. Fires for those already there too, right after `connect()` resolved. */
  member: [member: Member];
  /** Somebody is gone, their streams too. Not fired when the room closes. */
  left: [member: Member, reason: LeftReason];
  message: [message: RoomMessage];
  state: [state: RoomState];
  /** Something was refused that no promise waits for. */
  error: [error: SheetbendError];
  /** The room has ended; the last event. */
  closed: [reason: CloseReason];
}

/** A room you are in, from `connect()` until `leave()` or `closed`. */
export interface Room extends Emits<RoomEvents> {
  readonly id: string;
  readonly state: RoomState;
  readonly self: Self;
  /** The others, by `Member.key`. */
  readonly members: ReadonlyMap<string, Member>;
  readonly publications: readonly Publication[];
  /**
   * Sends a room message, to everyone or to some.
   *
   * Settles when the message came back in the room's order. While the connection is away it waits (up to 256
   * requests). Rejects with `connection_lost` if the connection broke after it was sent, `target_not_found` if one of
   * `to` is gone, `message_too_big` above 65 536 bytes as JSON, `too_many_pending`, `closed`, or `invalid_argument` for
   * what JSON can't hold.
   */
  send(data: Json, options?: { to?: readonly Member[] }): Promise<{ offset: number }>;
  /**
   * Gives a stream to everyone in the room, now and later. `label` says what it is: `camera` (the default), `screen`,
   * or a word of yours, up to 64 characters. Rejects with `invalid_argument` if the stream is published already or 16
   * are, and with `closed`.
   */
  publish(stream: MediaStream, options?: { label?: string }): Promise<Publication>;
  /**
   * Changes your name, or your attributes key by key, where `null` removes a key. Settles when the room knows; while
   * the connection is away, after it is back. Rejects with `invalid_name`, `invalid_attributes` or `closed`.
   */
  update(change: { name?: string; attributes?: Attributes }): Promise<void>;
  /** Says goodbye and closes everything. Local tracks go on: they are yours. Never rejects; again does nothing. */
  leave(): Promise<void>;
}

/** A stream given to the room. */
export interface Publication {
  /** Holds the tracks that are published; the methods below keep it so. */
  readonly stream: MediaStream;
  readonly label: string;
  /** Publishes one more track, and adds it to `stream`. */
  addTrack(track: MediaStreamTrack): void;
  /** Takes a track away, from `stream` too. Doesn't stop it. */
  removeTrack(track: MediaStreamTrack): void;
  /**
   * Puts a track in the place of another of the same kind, in `stream` too, without renegotiation. Rejects with
   * `invalid_argument` if `oldTrack` is not published or the kinds differ.
   */
  replaceTrack(oldTrack: MediaStreamTrack, newTrack: MediaStreamTrack): Promise<void>;
  /** Takes the stream from every member. `stream` and its tracks stay as they are. */
  unpublish(): void;
}

/** A stream that a member gives. */
export interface RemoteStream {
  readonly stream: MediaStream;
  /** `camera`, `screen` or a word of the sender's. */
  readonly label: string;
}

/** Somebody else in the room. The object stays the same across reconnects of either side. */
export interface Member extends Emits<MemberEvents> {
  /** Names the member in this page; never changes. */
  readonly key: string;
  /** 32 hexadecimal digits, chosen by the server; another after the member reconnected. */
  readonly userId: string;
  readonly name: string;
  readonly attributes: Attributes;
  /** The peer connection. Signalling doesn't count: who only lost the server stays `connected`. */
  readonly connection: MemberConnection;
  /** By stream id; up to 16. */
  readonly streams: ReadonlyMap<string, RemoteStream>;
  /** Statistics of the peer connection; empty where there is none. */
  getStats(): Promise<RTCStatsReport>;
}

/** Events of a member. */
export interface MemberEvents {
  track: [track: MediaStreamTrack, stream: MediaStream, label: string];
  /** The stream's last track went. */
  streamremoved: [stream: MediaStream, label: string];
  connection: [state: MemberConnection];
  /** Name, attributes or userId changed. */
  update: [];
}
