/** When to connect again after a connection was lost. */

/** Decides how long to wait before an attempt. */
export interface ReconnectPolicy {
  /**
   * @param attempt how many attempts failed since the connection was lost, from 0
   * @param elapsedMs time since the connection was lost
   * @returns milliseconds to wait, or null to give up
   */
  nextDelayMs(attempt: number, elapsedMs: number): number | null;
}

/** Bounds of `fullJitter`, in milliseconds. */
export interface FullJitterOptions {
  /** The longest first delay. Default 250. */
  baseMs?: number;
  /** The longest delay. Default 10 000. */
  maxMs?: number;
  /** Uniform in [0, 1). Default `Math.random`. */
  random?: () => number;
}

/**
 * Waits anything from 0 to a bound that doubles with each attempt, for ever. Spreading over the whole range is what
 * keeps the members of a room from returning to a restarted server at the same moment
 * (AWS Architecture Blog, "Exponential Backoff And Jitter").
 */
export function fullJitter(options: FullJitterOptions = {}): ReconnectPolicy {
  const { baseMs = 250, maxMs = 10_000, random = Math.random } = options;
  return { nextDelayMs: (attempt) => random() * Math.min(maxMs, baseMs * 2 ** attempt) };
}
