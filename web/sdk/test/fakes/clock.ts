/** Time that passes when the test says so. */
export class Clock {
  #now = 0;
  #next = 1;
  readonly #timers = new Map<number, { at: number; callback: () => void }>();

  now = () => this.#now;

  setTimeout = (callback: () => void, delayMs: number): number => {
    this.#timers.set(this.#next, { at: this.#now + delayMs, callback });
    return this.#next++;
  };

  clearTimeout = (timer: number): void => {
    this.#timers.delete(timer);
  };

  /** How many timers run. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Lets `ms` pass, runs what falls due in order, and lets promises settle after each. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    for (let due = this.#earliest(end); due; due = this.#earliest(end)) {
      const [timer, { at, callback }] = due;
      this.#timers.delete(timer);
      this.#now = at;
      callback();
      await settle();
    }
    this.#now = end;
  }

  #earliest(end: number) {
    return [...this.#timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at)[0];
  }
}

/** How much WebCrypto works on: its promises settle when its threads are done. */
let working = 0;
for (const name of [
  "encrypt",
  "decrypt",
  "sign",
  "verify",
  "digest",
  "deriveBits",
  "importKey",
  "exportKey",
  "generateKey",
] as const) {
  const original = crypto.subtle[name];
  const counted = async (...values: unknown[]) => {
    working++;
    try {
      return await Reflect.apply(original, crypto.subtle, values);
    } finally {
      working--;
    }
  };
  Object.defineProperty(crypto.subtle, name, { value: counted });
}

/** Runs everything that waits for promises alone. */
export async function settle(): Promise<void> {
  for (;;) {
    for (let turn = 0; turn < 100; turn++) await null;
    if (working === 0) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
