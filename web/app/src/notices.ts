/** Short notices that pass by ("Ana joined", "Link copied"), seen at the edge of the page and read out by screen readers. */

import { type ReadonlySignal, signal } from "@preact/signals";

export const NOTICE_SHOWN_MS = 5_000;
/** At the bound the oldest notice goes. */
export const NOTICES_MAX = 3;

export interface Notice {
  id: number;
  text: string;
}

export class Notices {
  readonly #list = signal<readonly Notice[]>([]);
  /** Read out, but not shown: for what the page shows in another place. */
  readonly #spoken = signal("");
  #nextId = 1;

  get list(): ReadonlySignal<readonly Notice[]> {
    return this.#list;
  }

  get spoken(): ReadonlySignal<string> {
    return this.#spoken;
  }

  show(text: string): void {
    const id = this.#nextId++;
    this.#list.value = [...this.#list.peek(), { id, text }].slice(-NOTICES_MAX);
    setTimeout(() => {
      this.#list.value = this.#list.peek().filter((notice) => notice.id !== id);
    }, NOTICE_SHOWN_MS);
  }

  speak(text: string): void {
    this.#spoken.value = text;
  }
}
