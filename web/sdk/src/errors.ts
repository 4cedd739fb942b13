/**
 * The one error class.
 *
 *     SheetbendError
 *     ├── theirs: a code of the protocol (SERVER_ERRORS)
 *     └── ours:   connection_failed, delivery_unknown, token_unavailable, closed, aborted, too_many_pending,
 *                   invalid_argument
 */

import { SERVER_ERRORS } from "./codes.js";

/** Codes the SDK itself raises, and whether trying again may help. */
const OWN_ERRORS = {
  connection_failed: true,
  delivery_unknown: true,
  token_unavailable: true,
  closed: false,
  aborted: false,
  too_many_pending: true,
  invalid_argument: false,
} as const;

/** A code the server refused something with. */
export type ServerErrorCode = keyof typeof SERVER_ERRORS;

/**
 * Every code an error can carry. Those of the protocol, and the SDK's own:
 *
 * - `connection_failed`: the server could not be reached, or ended the connection before the room was there
 * - `delivery_unknown`: it was sent, then the session was lost; whether it arrived can't be found out any more
 * - `token_unavailable`: the application's function for tokens threw, or gave none; what it threw is the `cause`
 * - `closed`: the room has ended
 * - `aborted`: the `signal` given to `connect` fired
 * - `too_many_pending`: more than 256 requests wait for the server
 * - `invalid_argument`: what was passed can't be sent
 *
 * A newer server may use codes this version doesn't know; they come through as they are.
 */
export type ErrorCode = ServerErrorCode | keyof typeof OWN_ERRORS | (string & {});

/** Anything that goes wrong in the SDK. Tell errors apart by `code`; `message` is a sentence for people. */
export class SheetbendError extends Error {
  override readonly name = "SheetbendError";
  readonly code: ErrorCode;
  /** Whether the same call may succeed later. */
  readonly retryable: boolean;
  /** How long to wait before trying again, where the server says so; else null. */
  readonly retryAfterMs: number | null;

  constructor(
    code: ErrorCode,
    message: string,
    retryable: boolean = isRetryable(code),
    retryAfterMs: number | null = null,
  ) {
    super(message);
    this.code = code;
    this.retryable = retryable;
    this.retryAfterMs = retryAfterMs;
  }
}

function isRetryable(code: ErrorCode): boolean {
  return new Map<string, boolean>(Object.entries({ ...SERVER_ERRORS, ...OWN_ERRORS })).get(code) ?? false;
}
