/** Messages to text, refusing here what a server would refuse without being able to say which message it was. */

import { encoder } from "./bytes.js";
import { JSON_DEPTH_MAX, MESSAGE_BYTES_MAX } from "./codes.js";
import { SheetbendError } from "./errors.js";
import type { ClientMessage } from "./messages.js";

/** `JSON.stringify` writes a lone surrogate, and nothing else, as an escape that begins so. */
const LONE_SURROGATE = /(?<!\\)(\\\\)*\\ud/;

/**
 * The text of `message`.
 *
 * @throws SheetbendError `invalid_argument`, `nesting_too_deep` or `message_too_big`
 */
export function encode(message: ClientMessage): string {
  let text: string;
  try {
    text = JSON.stringify(message);
  } catch (error) {
    throw new SheetbendError("invalid_argument", `Not JSON: ${error}`);
  }
  if (LONE_SURROGATE.test(text)) throw new SheetbendError("invalid_argument", "Not Unicode.");
  if (encoder.encode(text).length > MESSAGE_BYTES_MAX) throw new SheetbendError("message_too_big");
  if (isDeeper(JSON.parse(text), JSON_DEPTH_MAX)) throw new SheetbendError("nesting_too_deep");
  return text;
}

/** Whether more than `depth` arrays and objects are nested. */
function isDeeper(value: unknown, depth: number): boolean {
  return (
    value instanceof Object &&
    (depth === 0 || Object.values(value).some((inner) => isDeeper(inner, depth - 1)))
  );
}
