/** Messages to text, refusing here what a server would refuse without being able to say which message it was. */

import { JSON_DEPTH_MAX, MESSAGE_BYTES_MAX } from "./codes.js";
import { SheetbendError } from "./errors.js";
import type { ClientMessage } from "./messages.js";

/** `JSON.stringify` writes a lone surrogate, and nothing else, as an escape in this range. */
const LONE_SURROGATE = /(?<!\\)(?:\\\\)*\\ud[89a-f]/;
const STRING_OR_BRACKET = /"[^"\\]*(?:\\.[^"\\]*)*"|[[{]|[\]}]/g;

/**
 * The text of `message`.
 *
 * @throws SheetbendError `invalid_argument`, `nesting_too_deep` or `message_too_big`
 */
export function encode(message: ClientMessage): string {
  const text = stringify(message);
  if (LONE_SURROGATE.test(text))
    throw new SheetbendError("invalid_argument", "A string is not valid Unicode.");
  if (new TextEncoder().encode(text).length > MESSAGE_BYTES_MAX) {
    throw new SheetbendError("message_too_big", `A message has at most ${MESSAGE_BYTES_MAX} bytes as JSON.`);
  }
  if (depthOf(text) > JSON_DEPTH_MAX) {
    throw new SheetbendError("nesting_too_deep", `Arrays and objects nest at most ${JSON_DEPTH_MAX} deep.`);
  }
  return text;
}

function stringify(message: ClientMessage): string {
  try {
    return JSON.stringify(message);
  } catch (error) {
    throw new SheetbendError("invalid_argument", `This can't be written as JSON: ${error}`);
  }
}

function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (const [token] of text.matchAll(STRING_OR_BRACKET)) {
    if (token === "[" || token === "{") deepest = Math.max(deepest, ++depth);
    else if (!token.startsWith('"')) depth--;
  }
  return deepest;
}
