/**
 * The codes and limits of the protocol that a client needs. A test holds them against `protocol/codes.json`.
 */

export const SUBPROTOCOL = "sheetbend.v1";

/** What a server refuses a message with, and whether the same message may succeed later. */
export const SERVER_ERRORS = {
  invalid_json: false,
  duplicate_key: false,
  number_out_of_range: false,
  nesting_too_deep: false,
  message_too_big: false,
  binary_not_supported: false,
  invalid_message: false,
  unknown_type: false,
  invalid_room_id: false,
  invalid_name: false,
  invalid_attributes: false,
  invalid_ref: false,
  hello_required: false,
  unexpected_hello: false,
  not_in_room: false,
  already_in_room: false,
  room_required: false,
  target_not_found: true,
  target_is_self: false,
  address_not_allowed: false,
  too_many_rooms: false,
  room_full: true,
  server_full: true,
  rate_limited: true,
  invalid_ack: false,
  token_required: false,
  invalid_token: false,
  token_expired: false,
  not_allowed: false,
  room_locked: true,
  not_admitted: false,
  banned: false,
  removed: false,
  muted: true,
  not_waiting: false,
} as const;

/** Those of them with which the same may succeed later. (What only types name costs a page nothing.) */
export const RETRYABLE_SERVER_ERRORS: readonly string[] = [
  "target_not_found",
  "room_full",
  "server_full",
  "rate_limited",
  "room_locked",
  "muted",
] satisfies (keyof typeof SERVER_ERRORS)[];

/** The standard close codes after which a client connects again. */
export const RECONNECT_ON_STANDARD_CODES: readonly number[] = [1001, 1005, 1006, 1011, 1012, 1013, 1014];

/** Close codes of ours after which a client connects again: first and last. */
const RECONNECT_FIRST = 4500;
const RECONNECT_LAST = 4999;
export const RECONNECT_RANGE = [RECONNECT_FIRST, RECONNECT_LAST] as const;

/** Close codes about tokens. */
export const UNAUTHORIZED = 4001;
export const TOKEN_EXPIRED = 4002;

/** How many ids of messages the server remembers for each member: as many may be on their way. */
export const MESSAGE_IDS_MAX = 128;
export const MESSAGE_BYTES_MAX = 65536;
export const MESSAGE_TARGETS_MAX = 64;
export const JSON_DEPTH_MAX = 200;

/** Whether a client connects again by itself after `code`. */
export function reconnectsAfter(code: number): boolean {
  return RECONNECT_ON_STANDARD_CODES.includes(code) || (code >= RECONNECT_FIRST && code <= RECONNECT_LAST);
}
