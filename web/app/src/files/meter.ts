/** How fast a transfer goes, and how long it will take: from how far it was at a few moments. */

/** The rate is that of so much time: shorter it jumps, longer it lies. */
const WINDOW_MS = 5_000;
/** After so long without a byte nothing goes through. */
export const STALLED_MS = 3_000;
/** Before that a rate is a guess. */
const SURE_MS = 1_000;

export interface Progress {
  done: number;
  size: number;
  /** Null until it is known; 0 while nothing goes through. */
  bytesPerS: number | null;
}

interface Moment {
  atMs: number;
  done: number;
}

export class Meter {
  readonly size: number;
  done = 0;
  #moments: Moment[] = [];
  #movedAtMs = 0;

  constructor(size: number) {
    this.size = size;
  }

  /** To be called every now and then while the transfer goes on. */
  read(nowMs: number): Progress {
    const last = this.#moments.at(-1);
    // What was there already when it began, or goes on, says nothing of the rate.
    if (last === undefined || last.done !== this.done) this.#movedAtMs = nowMs;
    this.#moments = [...this.#moments, { atMs: nowMs, done: this.done }].filter(
      ({ atMs }) => nowMs - atMs <= WINDOW_MS,
    );
    return { done: this.done, size: this.size, bytesPerS: this.#rate(nowMs) };
  }

  /** It broke off: what came before says nothing of what comes. */
  restart(): void {
    this.#moments = [];
  }

  #rate(nowMs: number): number | null {
    const [first] = this.#moments;
    if (first === undefined || nowMs - first.atMs < SURE_MS) return null;
    if (nowMs - this.#movedAtMs >= STALLED_MS) return 0;
    return ((this.done - first.done) / (nowMs - first.atMs)) * 1000;
  }
}

/** Of several transfers as if they were one. */
export function together(all: readonly Progress[]): Progress {
  const sum = (of: (progress: Progress) => number) => all.reduce((total, each) => total + of(each), 0);
  const known = all.some(({ bytesPerS }) => bytesPerS !== null);
  return {
    done: sum(({ done }) => done),
    size: sum(({ size }) => size),
    bytesPerS: known ? sum(({ bytesPerS }) => bytesPerS ?? 0) : null,
  };
}
