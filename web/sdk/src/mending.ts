/**
 * When to restart ICE: at once where something is wrong, and again, ever more rarely, until it works.
 *
 * Leaves to others: what is wrong, and the restart itself (`pair`).
 */

import type { Environment } from "./environment.js";

/** Between one attempt and the next. The last is short enough that a path is back soon after it has become possible. */
const AGAIN_MS = [2000, 2000, 3000, 5000, 8000];
/** SCTP tries again every 3 s at the latest (dcSCTP), and only on a way that stays. */
const SETTLE_MS = 4000;
/** The polite side lets the other begin: two offers at once are one too many. */
const POLITE_MS = 500;

export class Mending {
  readonly #environment: Environment;
  readonly #restart: () => void;
  readonly #isPolite: () => boolean;
  #attempts = 0;
  #timer: number | null = null;

  constructor(environment: Environment, isPolite: () => boolean, restart: () => void) {
    this.#environment = environment;
    this.#isPolite = isPolite;
    this.#restart = restart;
  }

  /** Something is wrong, perhaps still. */
  begin(afterMs = 0): void {
    if (this.#attempts === 0) this.#plan(afterMs + (this.#isPolite() ? POLITE_MS : 0));
  }

  /** Something has changed: it may work now, whatever was tried before. */
  hurry(): void {
    this.#attempts = 0;
    this.#plan(0);
  }

  /** An attempt is on its way, of the other side's making. */
  postpone(): void {
    if (this.#timer !== null) this.#planNext();
  }

  /** ICE has found another way: what is sent on it may need a while until it goes again. */
  settle(): void {
    if (this.#timer !== null) this.#plan(SETTLE_MS);
  }

  /** All is well, or over. */
  end(): void {
    this.#attempts = 0;
    this.#clear();
  }

  #planNext(): void {
    const last = AGAIN_MS.length - 1;
    this.#plan(AGAIN_MS[Math.min(this.#attempts++, last)] ?? 0);
  }

  #plan(delayMs: number): void {
    this.#clear();
    this.#timer = this.#environment.setTimeout(() => {
      this.#planNext();
      this.#restart();
    }, delayMs);
  }

  #clear(): void {
    if (this.#timer !== null) this.#environment.clearTimeout(this.#timer);
    this.#timer = null;
  }
}
