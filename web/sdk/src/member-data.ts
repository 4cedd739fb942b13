/** What applications send, as bytes, and back. */

import { SheetbendError } from "./errors.js";

/** Of what may be no UTF-8 in truth. */
export const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * A copy, so that the application may go on using what it gave.
 *
 * @throws SheetbendError `invalid_argument` for what holds no bytes
 */
export function bytesOf(data: unknown): Uint8Array<ArrayBuffer> {
  if (data instanceof ArrayBuffer) return new Uint8Array(data.slice(0));
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
  throw new SheetbendError("invalid_argument", "Pass an ArrayBuffer or a view of one.");
}
