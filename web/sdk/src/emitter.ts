/** Typed events. A listener can't disturb the SDK or another listener. */

import type { Emits } from "./api.js";

type EventsOf<Events> = { [K in keyof Events]: unknown[] };

type Listeners<Events extends EventsOf<Events>> = {
  [K in keyof Events]?: Set<(...values: Events[K]) => void>;
};

export interface Emitter<Events extends EventsOf<Events>> extends Emits<Events> {
  /** Calls every listener; what one throws surfaces as an uncaught error. Returns whether there was one. */
  emit<K extends keyof Events>(type: K, ...values: Events[K]): boolean;
}

/** What everything with events is made of: spread it into the object that has them. */
export function createEmitter<Events extends EventsOf<Events>>(): Emitter<Events> {
  const listeners: Listeners<Events> = {};

  function on<K extends keyof Events>(type: K, listener: (...values: Events[K]) => void): () => void {
    listeners[type] ??= new Set();
    listeners[type].add(listener);
    return () => off(type, listener);
  }

  function off<K extends keyof Events>(type: K, listener: (...values: Events[K]) => void): void {
    listeners[type]?.delete(listener);
  }

  return {
    on,
    off,

    once(type, listener) {
      const stop = on(type, (...values) => {
        stop();
        listener(...values);
      });
      return stop;
    },

    emit(type, ...values) {
      const called = [...(listeners[type] ?? [])];
      for (const listener of called) {
        try {
          listener(...values);
        } catch (error) {
          queueMicrotask(() => {
            throw error;
          });
        }
      }
      return called.length > 0;
    },
  };
}
