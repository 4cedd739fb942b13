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

export function createMending(environment: Environment, isPolite: () => boolean, restart: () => void) {
  let attempts = 0;
  /** 0 while nothing is planned. */
  let timer = 0;

  function plan(delayMs: number): void {
    environment.clearTimeout(timer);
    timer = environment.setTimeout(() => {
      planNext();
      restart();
    }, delayMs);
  }

  function planNext(): void {
    plan(AGAIN_MS[attempts++] ?? AGAIN_MS.at(-1) ?? 0);
  }

  return {
    /** Something is wrong, perhaps still. */
    begin(afterMs = 0): void {
      if (attempts === 0) plan(afterMs + (isPolite() ? POLITE_MS : 0));
    },

    /** Something has changed: it may work now, whatever was tried before. */
    hurry(): void {
      attempts = 0;
      plan(0);
    },

    /** An attempt is on its way, of the other side's making. */
    postpone(): void {
      if (timer) planNext();
    },

    /** ICE has found another way: what is sent on it may need a while until it goes again. */
    settle(): void {
      if (timer) plan(SETTLE_MS);
    },

    /** All is well, or over. */
    end(): void {
      environment.clearTimeout(timer);
      attempts = timer = 0;
    },
  };
}
