/** What the server or the SDK refuses something with, as sentences for the person who reads them. */

import { type ErrorCode, type ServerErrorCode, SheetbendError } from "sheetbend";

/** The codes of the SDK itself (its errors.ts). */
type OwnErrorCode =
  | "connection_failed"
  | "delivery_unknown"
  | "token_unavailable"
  | "closed"
  | "aborted"
  | "too_many_pending"
  | "invalid_argument"
  | "sealing_unavailable"
  | "frame_refused"
  | "description_refused"
  | "key_refused";

/** For what only a fault in this page, or an old one, can cause. */
const MISUNDERSTANDING = "This page and the server misunderstand each other. Reload the page.";
const OTHER_LINK = "Somebody here has another link: you can't reach each other.";
const GONE = "You are no longer in the room.";

const SENTENCES: Readonly<Record<ServerErrorCode | OwnErrorCode, string>> = {
  invalid_json: MISUNDERSTANDING,
  duplicate_key: MISUNDERSTANDING,
  number_out_of_range: MISUNDERSTANDING,
  nesting_too_deep: MISUNDERSTANDING,
  binary_not_supported: MISUNDERSTANDING,
  invalid_message: MISUNDERSTANDING,
  unknown_type: MISUNDERSTANDING,
  invalid_attributes: MISUNDERSTANDING,
  invalid_ref: MISUNDERSTANDING,
  hello_required: MISUNDERSTANDING,
  unexpected_hello: MISUNDERSTANDING,
  already_in_room: MISUNDERSTANDING,
  room_required: MISUNDERSTANDING,
  target_is_self: MISUNDERSTANDING,
  address_not_allowed: "This server passes nobody's own addresses on.",
  too_many_rooms: MISUNDERSTANDING,
  invalid_ack: MISUNDERSTANDING,
  invalid_argument: MISUNDERSTANDING,
  message_too_big: "This is too long.",
  invalid_room_id: "This can't be the name of a room.",
  invalid_name: "The server doesn't take this name.",
  not_in_room: GONE,
  closed: GONE,
  target_not_found: "They are no longer in the room.",
  room_full: "This room is full.",
  server_full: "The server has all the rooms and people it can hold.",
  rate_limited: "That was too much at once for the server.",
  token_required: "This server lets nobody in without a token.",
  invalid_token: "The server doesn't accept this token.",
  token_expired: "The time of your token is over.",
  not_allowed: "You may not do this in this room.",
  room_locked: "The room is locked: nobody new can enter.",
  not_admitted: "You weren't let in.",
  banned: "A moderator removed you from this room before.",
  removed: "A moderator removed you from the room.",
  muted: "A moderator has muted your chat.",
  not_waiting: "They aren't waiting any more.",
  connection_failed: "The server can't be reached.",
  delivery_unknown:
    "The connection was lost before an answer came, so nobody knows whether this arrived. Sent again, it may be there twice.",
  sealing_unavailable: "This browser, or a page that isn't secure, can't seal what you say.",
  frame_refused: OTHER_LINK,
  description_refused: OTHER_LINK,
  key_refused: OTHER_LINK,
  token_unavailable: "No token could be got for you.",
  aborted: "This was stopped.",
  too_many_pending: "Too much is waiting for the connection already.",
};

/** A Map, because codes come from the server: `constructor` is a property of every object. */
const KNOWN: ReadonlyMap<ErrorCode, string> = new Map(Object.entries(SENTENCES));

/** Null for codes of a newer server. */
export function sentenceFor(code: ErrorCode): string | null {
  return KNOWN.get(code) ?? null;
}

/** What went wrong, and when to try again where the server says so. */
export function errorWords(error: unknown): string {
  if (!(error instanceof SheetbendError)) {
    return error instanceof Error && error.message !== "" ? error.message : "The reason is unknown.";
  }
  const sentence = sentenceFor(error.code) ?? error.message;
  return error.retryAfterMs === null ? sentence : `${sentence} ${waitWords(error.retryAfterMs)}`;
}

/** Under a chat message that has no place in the room. */
export function sendFailureWords(error: unknown): string {
  const words = errorWords(error);
  const unknown = error instanceof SheetbendError && error.code === "delivery_unknown";
  return unknown ? words : `Not sent. ${words}`;
}

function waitWords(ms: number): string {
  const seconds = Math.max(1, Math.ceil(ms / 1000));
  if (seconds > 90) return `Try again in ${Math.ceil(seconds / 60)} minutes.`;
  return seconds === 1 ? "Try again in a second." : `Try again in ${seconds} seconds.`;
}
