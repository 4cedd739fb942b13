/**
 * The one error class.
 *
 *     SheetbendError
 *     ├── theirs: a code of the protocol (SERVER_ERRORS)
 *     └── ours:   of `OwnCode`
 */

import { RETRYABLE_SERVER_ERRORS, type SERVER_ERRORS } from "./codes.js";

/**
 * The SDK's own codes:
 *
 * - `connection_failed`: the server could not be reached, or ended the connection before the room was there
 * - `delivery_unknown`: it was sent, then the session or the member was lost; whether it arrived can't be found out
 * - `token_unavailable`: the application's function for tokens threw, or gave none; what it threw is the `cause`
 * - `closed`: the room has ended
 * - `aborted`: the `signal` given to `connect` fired
 * - `too_many_pending`: more than 256 requests wait for the server, or 8 MiB for a member
 * - `invalid_argument`: what was passed can't be sent
 * - `member_gone`: the member has left
 * - `sealing_unavailable`: nothing can be sealed on this page (not https or localhost, or a browser without X25519), or
 *   by that member
 * - `key_refused`, `key_worn_out`, `frame_refused`, `description_refused`: what came in a member's name isn't sealed as
 *   the two have agreed: it has another secret, or somebody stands in between
 * - `link_broken`: the member's program broke the protocol of links
 * - `stream_reset`, `stream_stopped`: the member gave up writing, or reading, a stream
 * - `invalid_label`, `too_many_streams`: of streams to a member
 */
export type OwnCode =
  | "connection_failed"
  | "delivery_unknown"
  | "token_unavailable"
  | "closed"
  | "aborted"
  | "too_many_pending"
  | "invalid_argument"
  | "member_gone"
  | "sealing_unavailable"
  | "key_refused"
  | "key_worn_out"
  | "frame_refused"
  | "description_refused"
  | "link_broken"
  | "stream_reset"
  | "stream_stopped"
  | "invalid_label"
  | "too_many_streams";

/** Trying again may help. */
const RETRYABLE: readonly string[] = [
  ...RETRYABLE_SERVER_ERRORS,
  "connection_failed",
  "delivery_unknown",
  "token_unavailable",
  "too_many_pending",
  "too_many_streams",
];

/** A code the server refused something with. */
export type ServerErrorCode = keyof typeof SERVER_ERRORS;

/** Every code an error can carry. A newer server may use codes this version doesn't know; they come as they are. */
export type ErrorCode = ServerErrorCode | OwnCode | (string & {});

/** Anything that goes wrong in the SDK. Tell errors apart by `code`; `message` is a sentence for people. */
export class SheetbendError extends Error {
  override readonly name = "SheetbendError";
  declare readonly code: ErrorCode;
  /** Whether the same call may succeed later. */
  declare readonly retryable: boolean;
  /** How long to wait before trying again, where the server says so; else null. */
  declare readonly retryAfterMs: number | null;

  constructor(
    code: ErrorCode,
    message: string = code.replaceAll("_", " "),
    retryable: boolean = RETRYABLE.includes(code),
    retryAfterMs: number | null = null,
  ) {
    super(message);
    this.code = code;
    this.retryable = retryable;
    this.retryAfterMs = retryAfterMs;
  }
}
