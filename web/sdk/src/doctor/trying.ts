/** How a check is made: within its time, and never an exception, always an answer. */

import type { Check, CheckId, Detail } from "./report.js";

/** Of each check. Those that need no other run at once, and there are two rounds of them. */
export const CHECK_TIMEOUT_MS = 5000;

/** What a check that went well has to say. */
export interface Found {
  note: string;
  code?: string;
  detail?: Detail;
}

/** What a check that didn't go well has to say; or why it has no answer. */
export class Failed extends Error {
  readonly code: string;
  readonly detail: Detail;
  readonly isSkipped: boolean;

  constructor(code: string, note: string, { detail = {}, isSkipped = false } = {}) {
    super(note);
    this.code = code;
    this.detail = detail;
    this.isSkipped = isSkipped;
  }
}

export function skip(code: string, note: string, detail: Detail = {}): Failed {
  return new Failed(code, note, { detail, isSkipped: true });
}

/** What came of `tryIt`, whatever that is. Its signal fires when the time is over or `signal` does: it closes what it opened. */
export async function attempt(
  id: CheckId,
  signal: AbortSignal,
  tryIt: (signal: AbortSignal) => Promise<Found>,
  timeoutMs = CHECK_TIMEOUT_MS,
): Promise<Check> {
  const startedAt = performance.now();
  const ended = new AbortController();
  const stop = () => ended.abort();
  const timer = setTimeout(stop, timeoutMs);
  signal.addEventListener("abort", stop);
  if (signal.aborted) stop();
  try {
    const {
      note,
      code = null,
      detail = {},
    } = await Promise.race([tryIt(ended.signal), lateness(ended.signal)]);
    return { id, status: "ok", ms: since(startedAt), code, note, detail };
  } catch (error) {
    const { code, message, detail, isSkipped } =
      error instanceof Failed ? error : new Failed("unexpected", error instanceof Error ? error.message : "");
    const ms = isSkipped ? null : since(startedAt);
    return { id, status: isSkipped ? "skipped" : "failed", ms, code, note: message, detail };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
    stop();
  }
}

/** Milliseconds with one digit behind the point. */
export function since(startedAt: number): number {
  return Math.round((performance.now() - startedAt) * 10) / 10;
}

/** Calls `close` when `signal` fires, at once if it has. */
export function whenEnded(signal: AbortSignal, close: () => void): void {
  if (signal.aborted) close();
  else signal.addEventListener("abort", close, { once: true });
}

function lateness(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    whenEnded(signal, () => reject(new Failed("no_answer", "No answer came in time.")));
  });
}
