/** What applications send, as bytes, and back. */

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** A copy, so that the application may go on using what it gave; null for what holds no bytes. */
export function bytesOf(data: unknown): Uint8Array<ArrayBuffer> | null {
  if (data instanceof ArrayBuffer) return new Uint8Array(data.slice(0));
  if (!ArrayBuffer.isView(data)) return null;
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
}

/** The same of text too. */
export function encodeData(data: unknown): Uint8Array<ArrayBuffer> | null {
  return typeof data === "string" ? encoder.encode(data) : bytesOf(data);
}

/** What came, as it was sent. The bytes are a copy: they came amid a frame. */
export function decodeData(data: Uint8Array, isText: boolean): string | Uint8Array<ArrayBuffer> {
  return isText ? decoder.decode(data) : data.slice();
}
