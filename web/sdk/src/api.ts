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
  /**
   * What a server with `--auth token` asks for, or a function that gets one. It travels inside the WebSocket, never in
   * a URL. A function is asked again before each token's time is over, and once more when the server refuses one; so
   * with a function the room lives on, and with a string it ends with `token_expired`.
   */
  token?: string | (() => string | Promise<string>);
  /**
   * The room has a lobby, and you wait in it; `connect` stays pending until somebody lets you in, or rejects with
   * `not_admitted`. Called again if you come to wait after a reconnect, with the room `reconnecting` meanwhile.
   */
  onWaiting?: () => void;
  /**
   * The text behind `#` in the room's link; `newRoomSecret()` makes one. What members send each other, their calls
   * included, is then closed to the server itself, and to whoever hasn't the same text: such members are there, but
   * can't be reached. Never sent to anybody. `connect` rejects with `sealing_unavailable` where nothing can be sealed.
   */
  secret?: string;
  /** Lets no address of this computer out: only TURN servers and the WebSocket are used. Default: false. */
  relayOnly?: boolean;
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

/**
 * How what is sent to a member gets there: through the server, by the peer connection, or by the peer connection and a
 * TURN server.
 */
export type Path = "relay" | "direct" | "turn";

/**
 * What closes the conversation with a member: the secret in the room's link, or keys that the two have agreed on, which
 * `safetyWords` show to be theirs.
 */
export type Sealing = "secret" | "keys";

/** Bytes a second, of frames, over about the last second. */
export interface Rates {
  readonly sent: number;
  readonly received: number;
}

/** Why somebody is gone: said goodbye, was lost, was put out by a moderator, or its token ran out. */
export type LeftReason = "leave" | "disconnect" | "removed" | "expired";

/** `publish` and `subscribe` are about media, `message` about room messages, `moderate` about other members. */
export type Permission = "publish" | "subscribe" | "message" | "moderate";

/** Who may enter: anybody, those who are let in from the lobby, nobody. Whoever may moderate enters always. */
export type Access = "open" | "lobby" | "locked";

/** What a member can be asked to stop sending. */
export type MediaKind = "audio" | "video";

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
  /** 32 hexadecimal digits, chosen by the server; another after a reconnect that came with a `gap`. */
  readonly userId: string;
  /** As asked for, or as the token prescribes. */
  readonly name: string;
  readonly attributes: Attributes;
  /** What you may do. */
  readonly can: ReadonlySet<Permission>;
  /** Whether a moderator has your room messages refused. */
  readonly muted: boolean;
  /** Whom your token is about; null without one. */
  readonly subject: string | null;
}

/** The sender of a message who wasn't in the room any more when the message came. */
export interface FormerMember {
  readonly userId: string;
  /** What it was called then. */
  readonly name: string;
}

/** Somebody in the lobby. */
export interface WaitingMember {
  readonly userId: string;
  readonly name: string;
  readonly attributes: Attributes;
  /** Whom its token is about; null without one. */
  readonly subject: string | null;
}

/** The place of a message in the room's order. */
export interface Place {
  /** Grows, with gaps. */
  readonly offset: number;
  /** Offsets of different epochs can't be compared. A room begins another when it is made anew. */
  readonly epoch: string;
}

/** A room message, in the room's order. */
export interface RoomMessage extends Place {
  readonly sender: Member | Self | FormerMember;
  readonly data: Json;
  /** When the server took it, in milliseconds since the Unix epoch. */
  readonly time: number;
  /** Whether it was sent from here. */
  readonly own: boolean;
  /** Who it was for, as far as they are known here; absent if it was for everybody. */
  readonly to?: readonly (Member | Self)[];
}

/** The latest messages to everyone from before you came. */
export interface History {
  readonly messages: readonly RoomMessage[];
  /** Whether these are all there ever were; a server keeps 200 or so, for a day or so. */
  readonly complete: boolean;
}

/** What is known about the time in which the server couldn't be reached. */
export interface Gap {
  /**
   * Whether every message to everyone is accounted for: those you missed follow as `message` events. If false, some
   * are lost. Messages to some members only are lost either way.
   */
  readonly complete: boolean;
}

/** How a room ended. */
export interface CloseReason {
  /** WebSocket close code; 1000 after `leave()`. */
  readonly code: number;
  readonly reason: string;
  /** Absent after `leave()`. Its code is `removed` if a moderator put you out. */
  readonly error?: SheetbendError;
}

/** Events of a room. */
export interface RoomEvents {
  /** Somebody is there. Fires for those already there too, right after `connect()` resolved. */
  member: [member: Member];
  /** Somebody is gone, their streams too. Not fired when the room closes. */
  left: [member: Member, reason: LeftReason];
  /** Each message once and in order, whatever the connection did; see `gap`. Those from before are in `history`. */
  message: [message: RoomMessage];
  state: [state: RoomState];
  /**
   * The server couldn't be reached for longer than it keeps a session (half a minute or so), or was restarted. You are
   * back under a new `userId`, in the `state` `connected`. Shorter losses of connection go by without a word.
   */
  gap: [gap: Gap];
  /** You changed: name, attributes, rights, muted or userId. */
  self: [self: Self];
  /** Who may enter has changed. */
  access: [access: Access];
  /** Somebody waits in the lobby. Fires for moderators only. */
  knock: [member: WaitingMember];
  /** And doesn't any more: was let in, sent away, or gave up. */
  knockended: [member: WaitingMember];
  /** A moderator asks you to stop sending these. Nothing is done about it but what you do. */
  muterequested: [media: readonly MediaKind[], moderator: Member];
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
  readonly access: Access;
  /** Who waits to be let in, by `userId`; empty unless you may moderate. */
  readonly lobby: ReadonlyMap<string, WaitingMember>;
  /** What was said before you came; the same for as long as you are in the room. */
  readonly history: History;
  /**
   * Sends a room message, to everyone or to some. It reaches each of them once, and in the order of your calls.
   *
   * Resolves when the server has accepted it: then everybody whose session lives gets it. While the connection is away
   * it waits; 128 messages are on their way at a time, and 256 requests wait at most. Rejects with
   *
   * - `delivery_unknown` if the session was lost while it was on its way, and the room's history can't tell whether it
   *   had been accepted. To send it again may deliver it twice.
   * - `rate_limited`, with `retryAfterMs`. It was not delivered, later ones may have been: it is not sent again by itself.
   * - `not_allowed` without the right `message`, `muted`, `target_not_found` if one of `to` is gone, `message_too_big`
   *   above 65 536 bytes as JSON, `too_many_pending`, `closed`, or `invalid_argument` for what JSON can't hold.
   */
  send(data: Json, options?: { to?: readonly Member[] }): Promise<Place>;
  /**
   * Gives a stream to everyone in the room, now and later. `label` says what it is: `camera` (the default), `screen`,
   * or a word of yours, up to 64 characters. Members without the right `subscribe` don't get it. Rejects with
   * `not_allowed` without the right `publish`, `invalid_argument` if the stream is published already or 16 are, and
   * with `closed`.
   */
  publish(stream: MediaStream, options?: { label?: string }): Promise<Publication>;
  /**
   * Changes your name, or your attributes key by key, where `null` removes a key. Settles when the room knows; while
   * the connection is away, after it is back. Rejects with `invalid_name`, `invalid_attributes` or `closed`.
   */
  update(change: { name?: string; attributes?: Attributes }): Promise<void>;
  /**
   * Says who may enter; everybody gets `access`. `open` lets in who is in the lobby. This and the verbs below settle
   * when the server has done it, while the connection is away after it is back, and reject with `not_allowed` without
   * the right `moderate`, `rate_limited` or `closed`.
   */
  setAccess(access: Access): Promise<void>;
  /** Lets somebody in from the lobby. Rejects with `not_waiting` too. */
  admit(userId: string): Promise<void>;
  /** Sends somebody in the lobby away: their `connect` rejects with `not_admitted`. Rejects with `not_waiting` too. */
  reject(userId: string): Promise<void>;
  /**
   * `messages`: has the server refuse the member's room messages, or take them again (`Member.muted`). `media`: asks
   * the member to stop sending these (`muterequested`). Rejects with `target_not_found` too.
   */
  mute(member: Member, what: { messages?: boolean; media?: readonly MediaKind[] }): Promise<void>;
  /**
   * Puts a member out; the room ends for it with `removed`, and it can't come back for as long as the room lives.
   * Rejects with `target_not_found` too.
   */
  remove(member: Member): Promise<void>;
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
  /** 32 hexadecimal digits, chosen by the server; another after the member lost its session and came back. */
  readonly userId: string;
  readonly name: string;
  readonly attributes: Attributes;
  /** What it may do. Without `publish` its media is not taken, without `subscribe` it is given none. */
  readonly can: ReadonlySet<Permission>;
  /** Whether a moderator has its room messages refused. */
  readonly muted: boolean;
  /** Whom its token is about; null without one. */
  readonly subject: string | null;
  /** The peer connection. Signalling doesn't count: who only lost the server stays `connected`. */
  readonly connection: MemberConnection;
  /** By stream id; up to 16. */
  readonly streams: ReadonlyMap<string, RemoteStream>;
  /** How what is sent reaches it now; null while nothing does. */
  readonly path: Path | null;
  /** Round-trip time of that path in milliseconds; null until it is known. */
  readonly rttMs: number | null;
  readonly rates: Rates;
  /** Null if it is closed by nothing: the member, or this page, has no keys. Then `send` rejects. */
  readonly sealing: Sealing | null;
  /**
   * Seven numbers below 64, for people to compare: where they are the same on both sides, nobody stands in between.
   * `sheetbend/safety-words` has pictures and names for them. Null until both have them.
   */
  readonly safetyWords: readonly number[] | null;
  /** Statistics of the peer connection; empty where there is none. */
  getStats(): Promise<RTCStatsReport>;
  /**
   * Sends a message to this member, from the moment it is there: through the server at first, directly as soon as that
   * works, and through the server again where it doesn't any more.
   *
   * Reliable messages of up to 1 MiB arrive once and in order, also across reconnects of either side; the promise
   * resolves when the member has it. With `reliable: false` one of up to 16 000 bytes arrives at most once, and is
   * dropped where it can't be sent at once; the promise resolves then too. Rejects with
   *
   * - `delivery_unknown` if the member was lost before it acknowledged the message
   * - `member_gone` if it is gone already, `closed` if the room is
   * - `too_many_pending` while 8 MiB wait, `message_too_big`
   * - `sealing_unavailable` where `sealing` is null, `link_broken` if the member's program broke the protocol
   */
  send(data: string | ArrayBuffer | ArrayBufferView, options?: { reliable?: boolean }): Promise<void>;
  /**
   * Opens a stream of bytes both ways; the member gets a `stream` event. As reliable as messages, and in step with its
   * reader: who reads slowly makes the writer wait. `label` says what it is, up to 1024 bytes.
   *
   * @throws SheetbendError `too_many_streams` if 128 of ours are open, `invalid_label`, and as `send`
   */
  stream(label?: string): MemberStream;
}

/** A stream of bytes to and from a member. */
export interface MemberStream {
  readonly label: string;
  /** Ends when the member has closed its side; errs with `stream_reset` if it gave up, or as `send` if it is lost. */
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Errs with `stream_stopped` if the member wants no more. To be closed means that all is sent, not that it is read. */
  readonly writable: WritableStream<ArrayBuffer | ArrayBufferView>;
}

/** Events of a member. */
export interface MemberEvents {
  /** Of `Member.send` at the other side: text as text, bytes as bytes. */
  message: [data: string | Uint8Array<ArrayBuffer>, how: { reliable: boolean }];
  /** The member opened a stream. Where nobody listens it is refused. */
  stream: [stream: MemberStream];
  path: [path: Path | null];
  safetywords: [words: readonly number[]];
  track: [track: MediaStreamTrack, stream: MediaStream, label: string];
  /** The stream's last track went. */
  streamremoved: [stream: MediaStream, label: string];
  connection: [state: MemberConnection];
  /** Name, attributes, rights, muted or userId changed. */
  update: [];
}
