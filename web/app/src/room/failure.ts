/** Why a call couldn't begin or has ended, as the page that says so. */

import { type CloseReason, SheetbendError } from "sheetbend";
import { errorWords } from "./error-words.js";

export interface Failure {
  title: string;
  detail: string;
  /** What the button says that tries again at once; null where that is no use. */
  retry: string | null;
  /** Whether the lobby of the same room is a way on. */
  mayReturn: boolean;
  /** Whether the connection check may say more. */
  mayBeNetwork?: boolean;
}

/** Why the page asks for a token. */
export type TokenProblem = "required" | "invalid" | "expired" | "elsewhere";

const TRY_AGAIN = "Try again";

/** Maps, because codes come from the server: `constructor` is a property of every object. */
const FAILURES: ReadonlyMap<string, Failure> = new Map(
  Object.entries({
    connection_failed: {
      title: "The server can't be reached",
      detail: "Check that you are online. If you are, the server may be restarting: try again in a moment.",
      retry: TRY_AGAIN,
      mayReturn: true,
      mayBeNetwork: true,
    },
    sealing_unavailable: {
      title: "This room can't be opened here",
      detail:
        "Its link closes the room to everybody else, and for that a page must come over https, in a browser of the last two years. Open the link so.",
      retry: null,
      mayReturn: false,
    },
    room_full: {
      title: "This room is full",
      detail: "Try again when somebody has left, or open a room of your own.",
      retry: TRY_AGAIN,
      mayReturn: true,
    },
    server_full: {
      title: "The server is full",
      detail: "It has all the rooms and people it can hold. Try again later.",
      retry: TRY_AGAIN,
      mayReturn: true,
    },
    invalid_room_id: {
      title: "This can't be the name of a room",
      detail: "Ask for the link again, or open a room of your own.",
      retry: null,
      mayReturn: false,
    },
    invalid_name: {
      title: "The server doesn't take this name",
      detail: "Go back and choose another one.",
      retry: null,
      mayReturn: true,
    },
    room_locked: {
      title: "This room is locked",
      detail: "Nobody new can enter now. Ask somebody inside to unlock it, then try again.",
      retry: TRY_AGAIN,
      mayReturn: true,
    },
    not_admitted: {
      title: "You weren't let in",
      detail:
        "A moderator sent you away, or the room ended while you waited. If that was a mistake, ask again.",
      retry: "Ask again",
      mayReturn: true,
    },
    removed: {
      title: "A moderator removed you",
      detail: "You can't come back into this room while it lasts. Camera and microphone are off.",
      retry: null,
      mayReturn: false,
    },
    banned: {
      title: "You can't come back into this room",
      detail: "A moderator removed you from it. If that was a mistake, talk to whoever invited you.",
      retry: null,
      mayReturn: false,
    },
  }),
);

const TOKEN_PROBLEMS: ReadonlyMap<string, TokenProblem> = new Map(
  Object.entries({ token_required: "required", invalid_token: "invalid", token_expired: "expired" } as const),
);

export function connectFailure(error: unknown): Failure {
  return knownFailure(error) ?? unknownFailure("Joining didn't work", errorWords(error));
}

export function closeFailure({ error }: CloseReason): Failure {
  const detail = error === undefined ? "The server closed the connection." : errorWords(error);
  return knownFailure(error) ?? unknownFailure("The call has ended", detail);
}

/** Null where a token, or another one, would not help. `hadToken`: one was shown to the server. */
export function tokenProblem(error: unknown, hadToken: boolean): TokenProblem | null {
  if (!(error instanceof SheetbendError)) return null;
  if (error.code === "not_allowed" && hadToken) return "elsewhere";
  return TOKEN_PROBLEMS.get(error.code) ?? null;
}

function knownFailure(error: unknown): Failure | null {
  return (error instanceof SheetbendError && FAILURES.get(error.code)) || null;
}

function unknownFailure(title: string, detail: string): Failure {
  return { title, detail, retry: TRY_AGAIN, mayReturn: true };
}
