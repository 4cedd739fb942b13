/** Whether the browser lets the page play sound. Before the first click on a page it may refuse. */

import { type ReadonlySignal, signal } from "@preact/signals";

export class Playback {
  readonly #blocked = signal<ReadonlySet<HTMLMediaElement>>(new Set());

  /** The elements whose sound the browser refused to play. */
  get blocked(): ReadonlySignal<ReadonlySet<HTMLMediaElement>> {
    return this.#blocked;
  }

  async play(element: HTMLMediaElement): Promise<void> {
    try {
      await element.play();
      this.forget(element);
    } catch (error) {
      // AbortError only says that the element's stream changed before it began.
      if (error instanceof Error && error.name === "NotAllowedError") this.#change((set) => set.add(element));
    }
  }

  /** To be called from a click, which is what the browser waits for. */
  async playAll(): Promise<void> {
    await Promise.all([...this.#blocked.peek()].map((element) => this.play(element)));
  }

  forget(element: HTMLMediaElement): void {
    if (this.#blocked.peek().has(element)) this.#change((set) => set.delete(element));
  }

  #change(apply: (set: Set<HTMLMediaElement>) => void): void {
    const set = new Set(this.#blocked.peek());
    apply(set);
    this.#blocked.value = set;
  }
}
