/** What went wrong between this page and the server, in the words of the person who reads it. */

import { type CloseReason, SheetbendError } from "sheetbend";

export interface Failure {
  title: string;
  detail: string;
  retryable: boolean;
}

const UNREACHABLE: Failure = {
  title: "The server can't be reached",
  detail: "Check that you are online. If you are, the server may be restarting: try again in a moment.",
  retryable: true,
};

/** Maps, because codes come from the server: `constructor` is a property of every object. */
const FAILURES: ReadonlyMap<string, Failure> = new Map(
  Object.entries({
    connection_failed: UNREACHABLE,
    connection_lost: UNREACHABLE,
    room_full: {
      title: "This room is full",
      detail: "Try again when somebody has left, or open a room of your own.",
      retryable: true,
    },
    invalid_room_id: {
      title: "This can't be the name of a room",
      detail: "Ask for the link again, or open a room of your own.",
      retryable: false,
    },
    invalid_name: {
      title: "The server doesn't take this name",
      detail: "Go back and choose another one.",
      retryable: true,
    },
  }),
);

const SEND_FAILURES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    connection_lost: "The connection was lost, so it's unknown whether this arrived.",
    too_many_pending: "Too many messages are waiting for the connection.",
    message_too_big: "This message is too long.",
    not_in_room: "You are no longer in the room.",
    closed: "You are no longer in the room.",
  }),
);

export function connectFailure(error: unknown): Failure {
  const known = error instanceof SheetbendError ? FAILURES.get(error.code) : undefined;
  return known ?? { title: "Joining didn't work", detail: sentenceOf(error), retryable: true };
}

export function closeFailure({ error }: CloseReason): Failure {
  const known = error === undefined ? undefined : FAILURES.get(error.code);
  return (
    known ?? {
      title: "The call has ended",
      detail: error === undefined ? "The server closed the connection." : sentenceOf(error),
      retryable: true,
    }
  );
}

export function sendFailureText(error: unknown): string {
  const known = error instanceof SheetbendError ? SEND_FAILURES.get(error.code) : undefined;
  return known ?? `Not sent. ${sentenceOf(error)}`;
}

function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : "The reason is unknown.";
}
