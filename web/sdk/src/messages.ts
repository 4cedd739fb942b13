/**
 * The messages of `sheetbend.v1` (protocol/PROTOCOL.md), one type each, and decoding of what a server sends.
 *
 * What members say to each other inside `sdp`, `candidate` and `data` is left unread here: `peer-messages.ts`.
 */

import type { Attributes, Json, LeftReason } from "./api.js";

export interface Hello {
  type: "hello";
  client: string;
}

export interface Join {
  type: "join";
  roomId: string;
  name: string;
  attributes: Attributes;
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
  to?: readonly string[];
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

export interface Bye {
  type: "bye";
}

export type ClientMessage = Hello | Join | Update | Say | Signal | Bye;

/** A member as the server describes it. `polite` is about the receiver; absent in `user-updated`. */
export interface MemberRecord {
  readonly userId: string;
  readonly name: string;
  readonly attributes: Attributes;
  readonly polite?: boolean;
}

export interface Welcome {
  type: "welcome";
  userId: string;
  iceServers: RTCIceServer[];
}

export interface Roster {
  type: "roster";
  members: MemberRecord[];
}

export interface UserJoined {
  type: "user-joined";
  member: MemberRecord;
}

export interface UserLeft {
  type: "user-left";
  userId: string;
  reason: LeftReason;
}

export interface UserUpdated {
  type: "user-updated";
  offset: number;
  member: MemberRecord;
  ref?: string;
}

export interface Said {
  type: "message";
  offset: number;
  sender: string;
  data: Json;
  to?: string[];
  ref?: string;
}

export interface Forwarded {
  type: SignalType;
  sender: string;
  sdp?: unknown;
  candidate?: unknown;
}

export interface Refused {
  type: "error";
  code: string;
  message: string;
  retryable: boolean;
  ref?: string;
}

export type ServerMessage =
  | Welcome
  | Roster
  | UserJoined
  | UserLeft
  | UserUpdated
  | Said
  | Forwarded
  | Refused;

type Fields = { readonly [key: string]: unknown };

const USER_ID = /^[0-9a-f]{32}$/;

/** A message from a server, or null for what this version doesn't know or what is not as the protocol says. */
export function decodeServerMessage(text: unknown): ServerMessage | null {
  const message = parseObject(text);
  return message && isServerMessage(message) ? message : null;
}

/** The object that `text` holds as JSON, or null. */
export function parseObject(text: unknown): Fields | null {
  try {
    const value: unknown = typeof text === "string" ? JSON.parse(text) : null;
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

export function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isUserId(value: unknown): value is string {
  return isString(value) && USER_ID.test(value);
}

export function isString(value: unknown): value is string {
  return typeof value === "string";
}

/** The shape of each type; a Map, so that no `type` from outside can name something inherited. */
const SHAPES: ReadonlyMap<unknown, (message: Fields) => boolean> = new Map([
  ["welcome", (m: Fields) => isUserId(m.userId) && isArrayOf(m.iceServers, isObject)],
  ["roster", (m: Fields) => isOffset(m.offset) && isArrayOf(m.members, isMember)],
  ["user-joined", (m: Fields) => isMember(m.member)],
  ["user-left", (m: Fields) => isUserId(m.userId)],
  ["user-updated", (m: Fields) => isMember(m.member) && isOffset(m.offset)],
  ["message", isSaid],
  ["error", (m: Fields) => isString(m.code) && isString(m.message)],
  ["offer", (m: Fields) => isUserId(m.sender) && m.sdp !== undefined],
  ["answer", (m: Fields) => isUserId(m.sender) && m.sdp !== undefined],
  ["ice-candidate", (m: Fields) => isUserId(m.sender) && m.candidate !== undefined],
]);

function isServerMessage(message: Fields): message is Fields & ServerMessage {
  return SHAPES.get(message.type)?.(message) ?? false;
}

function isSaid(message: Fields): boolean {
  return (
    isUserId(message.sender) &&
    isOffset(message.offset) &&
    message.data !== undefined &&
    (message.to === undefined || isArrayOf(message.to, isUserId))
  );
}

function isMember(value: unknown): value is MemberRecord {
  return isObject(value) && isUserId(value.userId) && isString(value.name) && isObject(value.attributes);
}

function isOffset(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

function isArrayOf(value: unknown, isElement: (element: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(isElement);
}
