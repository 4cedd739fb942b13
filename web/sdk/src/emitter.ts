/** Typed events. A listener can't disturb the SDK or another listener. */

import type { Emits } from "./api.js";

type Listeners<Events extends { [K in keyof Events]: unknown[] }> = {
  [K in keyof Events]?: Set<(...values: Events[K]) => void>;
};

/** The base of everything with events. */
export class Emitter<Events extends { [K in keyof Events]: unknown[] }> implements Emits<Events> {
  readonly #listeners: Listeners<Events> = {};

  on<K extends keyof Events>(type: K, listener: (...values: Events[K]) => void): () => void {
    this.#listeners[type] ??= new Set();
    this.#listeners[type].add(listener);
    return () => this.off(type, listener);
  }

  once<K extends keyof Events>(type: K, listener: (...values: Events[K]) => void): () => void {
    const off = this.on(type, (...values) => {
      off();
      listener(...values);
    });
    return off;
  }

  off<K extends keyof Events>(type: K, listener: (...values: Events[K]) => void): void {
    this.#listeners[type]?.delete(listener);
  }

  /** Calls every listener; what one throws surfaces as an uncaught error. Returns whether there was one. */
  emit<K extends keyof Events>(type: K, ...values: Events[K]): boolean {
    const listeners = [...(this.#listeners[type] ?? [])];
    for (const listener of listeners) {
      try {
        listener(...values);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
    return listeners.length > 0;
  }
}
