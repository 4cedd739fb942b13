/**
 * The messages of `sheetbend.v1` (protocol/PROTOCOL.md), one type each. What a server sends is checked by `decode.ts`.
 *
 * What members say to each other inside `sdp`, `candidate` and `data` is left unread here: `peer-messages.ts`.
 */

import type { Access, Attributes, Json, LeftReason, MediaKind, Permission } from "./api.js";

export interface Hello {
  type: "hello";
  client: string;
  features?: readonly string[] | undefined;
  /** No address of ours may be passed on. */
  relayOnly?: true | undefined;
  token?: string | undefined;
  /** Goes on with a session, of which so many counted messages have arrived. */
  resume?: { token: string; received: number } | undefined;
}

export interface Join {
  type: "join";
  roomId: string;
  name: string;
  attributes: Attributes;
  /** The last event seen of the room in an earlier session. */
  since?: { epoch: string; offset: number } | undefined;
  /** The public key of `sealing`. */
  key?: string | undefined;
  ref: string;
}

export interface Update {
  type: "update";
  roomId: string;
  name?: string;
  attributes?: Attributes;
  ref: string;
}

export interface Say {
  type: "message";
  roomId: string;
  data: Json;
  to?: readonly string[] | undefined;
  id: string;
  ref: string;
}

export interface SetAccess {
  type: "set-access";
  roomId: string;
  access: Access;
  ref: string;
}

/** What a moderator does about one other: let in, send away, mute, put out. */
export interface Moderate {
  type: "admit" | "reject" | "mute" | "remove";
  roomId: string;
  userId: string;
  messages?: boolean;
  media?: readonly MediaKind[];
  ref: string;
}

export type SignalType = "offer" | "answer" | "ice-candidate";

/** Signalling to one member. `sdp` stands in offers and answers, `candidate` in the rest. */
export interface Signal {
  type: SignalType;
  roomId: string;
  target: string;
  sdp?: unknown;
  candidate?: unknown;
  ref: string;
}

/** A fresh token for the session. */
export interface Token {
  type: "token";
  token: string;
}

export interface Ack {
  type: "ack";
  received: number;
}

/** A message that is its type alone. */
export interface Plain {
  type: "ping" | "bye";
}

export type ClientMessage = Hello | Join | Update | Say | SetAccess | Moderate | Signal | Token | Ack | Plain;

/** A member as the server describes it. `polite` is about the receiver; absent in `user-updated` and `knock`. */
export interface MemberRecord {
  readonly userId: string;
  readonly name: string;
  readonly attributes: Attributes;
  readonly polite?: boolean;
  readonly can?: readonly Permission[];
  readonly muted?: boolean;
  readonly subject?: string;
  readonly key?: string;
}

export interface Welcome {
  type: "welcome";
  userId: string;
  features: string[];
  /** The server passes no address of ours on. */
  relayOnly?: boolean;
  iceServers: RTCIceServer[];
  limits: { pingIntervalS: number };
  resumeToken: string;
  expiresInS?: number;
  /** After a resume: whether the session goes on, and if so how many counted messages the server has. */
  recovered?: boolean;
  received?: number;
}

export interface Roster {
  type: "roster";
  epoch: string;
  offset: number;
  access: Access;
  you: MemberRecord;
  members: MemberRecord[];
  history: Remembered[];
  complete: boolean;
  waiting?: MemberRecord[];
  ref?: string;
}

/** A message of the room's history. */
export interface Remembered {
  offset: number;
  sender: string;
  /** What the sender was called then. */
  name: string;
  data: Json;
  time: number;
  id?: string;
}

/** We are in the room's lobby. */
export interface InLobby {
  type: "waiting";
}

export interface UserJoined {
  type: "user-joined";
  offset: number;
  member: MemberRecord;
}

export interface UserLeft {
  type: "user-left";
  offset: number;
  userId: string;
  reason: LeftReason;
  ref?: string;
}

export interface UserUpdated {
  type: "user-updated";
  offset: number;
  member: MemberRecord;
  ref?: string;
}

export interface RoomUpdated {
  type: "room-updated";
  offset: number;
  access: Access;
  ref?: string;
}

export interface Said {
  type: "message";
  offset: number;
  sender: string;
  data: Json;
  time: number;
  to?: string[];
  id?: string;
}

export interface Accepted {
  type: "accepted";
  epoch: string;
  offset: number;
  ref?: string;
}

export interface Knock {
  type: "knock";
  member: MemberRecord;
}

export interface KnockEnded {
  type: "knock-ended";
  userId: string;
  ref?: string;
}

export interface MuteRequested {
  type: "mute-requested";
  sender: string;
  media: MediaKind[];
}

export interface Forwarded {
  type: SignalType;
  sender: string;
  sdp?: unknown;
  candidate?: unknown;
}

/** Take these from now on. */
export interface IceServers {
  type: "ice-servers";
  iceServers: RTCIceServer[];
}

export interface Authorized {
  type: "authorized";
  expiresInS: number;
}

export interface Pong {
  type: "pong";
}

export interface Draining {
  type: "draining";
  withinS: number;
}

export interface Refused {
  type: "error";
  code: string;
  message: string;
  retryable: boolean;
  retryAfterS?: number;
  ref?: string;
}

/** What this version doesn't know. It counts all the same. */
export interface Unknown {
  type: "unknown";
}

/** What concerns the session. */
export type SessionMessage = Welcome | Authorized | Ack | Pong | Draining;

/** What concerns the room. */
export type RoomEvent =
  | Roster
  | InLobby
  | UserJoined
  | UserLeft
  | UserUpdated
  | RoomUpdated
  | Said
  | Accepted
  | Knock
  | KnockEnded
  | MuteRequested
  | IceServers
  | Forwarded
  | Refused;

export type RoomEventByType = { [Event in RoomEvent as Event["type"]]: Event };

export type ServerMessage = SessionMessage | RoomEvent;

export type Fields = { readonly [key: string]: unknown };

/** The object that `text` holds as JSON, or null. */
export function parseObject(text: unknown): Fields | null {
  try {
    const value: unknown = isString(text) ? JSON.parse(text) : null;
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

export function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isString(value: unknown): value is string {
  return typeof value === "string";
}
