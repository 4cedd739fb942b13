/** A file on its way to one person or several, each of whom gets it, or not, by themselves. */

import { computed, type ReadonlySignal, signal } from "@preact/signals";
import { type Member, SheetbendError } from "sheetbend";
import type { sendFile } from "sheetbend/files";
import { shownName } from "../room/attributes.js";
import { peopleWords, sendFailure } from "./file-words.js";
import { Meter, type Progress } from "./meter.js";

export type DeliveryState =
  | { at: "offered" }
  | { at: "moving"; progress: Progress }
  /** The connection is lost: it is offered again until it is back. */
  | { at: "interrupted"; progress: Progress }
  | { at: "done" }
  | { at: "failed"; words: string };

/** After a loss it is tried again so soon, then twice as late each time. */
const RETRY_FIRST_MS = 500;
const RETRY_MAX_MS = 8_000;
/** Then it is given up. */
const RETRY_FOR_MS = 180_000;

export type SendFile = typeof sendFile;

export interface OutgoingOptions {
  key: number;
  file: File;
  members: readonly Member[];
  send: SendFile;
  say: (text: string) => void;
}

export class OutgoingFile {
  readonly direction = "out";
  readonly key: number;
  readonly name: string;
  readonly size: number;
  readonly to: string;
  readonly deliveries: readonly Delivery[];
  /** Whether anything may still come of it. */
  readonly active: ReadonlySignal<boolean>;

  constructor({ key, file, members, send, say }: OutgoingOptions) {
    this.key = key;
    this.name = file.name;
    this.size = file.size;
    this.deliveries = members.map((member) => new Delivery(member, file, send, say));
    this.to = peopleWords(this.deliveries.map(({ to }) => to));
    this.active = computed(() => this.deliveries.some(({ active }) => active.value));
  }

  cancel(): void {
    for (const delivery of this.deliveries) delivery.cancel();
  }

  lose(member: Member): void {
    for (const delivery of this.deliveries) if (delivery.member === member) delivery.lose();
  }

  tick(nowMs: number): void {
    for (const delivery of this.deliveries) delivery.tick(nowMs);
  }
}

/** A file on its way to one person. */
export class Delivery {
  readonly member: Member;
  readonly to: string;
  readonly size: number;
  readonly active: ReadonlySignal<boolean>;
  readonly #file: File;
  readonly #say: (text: string) => void;
  readonly #state = signal<DeliveryState>({ at: "offered" });
  readonly #meter: Meter;
  readonly #end = new AbortController();

  constructor(member: Member, file: File, send: SendFile, say: (text: string) => void) {
    this.member = member;
    this.to = shownName(member.name);
    this.size = file.size;
    this.#file = file;
    this.#say = say;
    this.#meter = new Meter(file.size);
    this.active = computed(() => !["done", "failed"].includes(this.#state.value.at));
    void this.#run(send);
  }

  get state(): ReadonlySignal<DeliveryState> {
    return this.#state;
  }

  cancel(): void {
    this.#stop("You stopped it.");
  }

  /** They are not in the room any more. */
  lose(): void {
    this.#stop(`${this.to} is gone.`);
  }

  tick(nowMs: number): void {
    if (this.#state.peek().at !== "moving") return;
    this.#state.value = { at: "moving", progress: this.#meter.read(nowMs) };
  }

  async #run(send: SendFile): Promise<void> {
    try {
      await this.#attempt(send);
      this.#state.value = { at: "done" };
      this.#say(`${this.to} has ${this.#file.name}`);
    } catch (error) {
      if (this.#end.signal.aborted) return;
      const words = sendFailure(error, this.to);
      this.#state.value = { at: "failed", words };
      this.#say(`${this.#file.name}: ${words}`);
    }
  }

  /** Until it is there, also across losses of the connection. */
  async #attempt(send: SendFile): Promise<void> {
    let retryMs = RETRY_FIRST_MS;
    let lostAtMs: number | null = null;
    for (;;) {
      try {
        return await send(this.member, this.#file, {
          signal: this.#end.signal,
          onProgress: (sent) => {
            retryMs = RETRY_FIRST_MS;
            lostAtMs = null;
            this.#move(sent);
          },
        });
      } catch (error) {
        const mayGoOn = error instanceof SheetbendError && error.retryable;
        lostAtMs ??= performance.now();
        if (!mayGoOn || performance.now() - lostAtMs > RETRY_FOR_MS) throw error;
        this.#interrupt();
        await this.#sleep(retryMs);
        retryMs = Math.min(retryMs * 2, RETRY_MAX_MS);
      }
    }
  }

  #move(sent: number): void {
    const state = this.#state.peek();
    this.#meter.done = sent;
    if (state.at !== "offered" && state.at !== "interrupted") return;
    if (state.at === "offered") this.#say(`${this.to} takes ${this.#file.name}`);
    this.#meter.restart();
    this.#state.value = { at: "moving", progress: this.#meter.read(performance.now()) };
  }

  #interrupt(): void {
    if (this.#state.peek().at !== "moving") return;
    this.#state.value = { at: "interrupted", progress: this.#meter.read(performance.now()) };
  }

  #stop(words: string): void {
    if (!this.active.peek()) return;
    this.#state.value = { at: "failed", words };
    this.#end.abort();
  }

  async #sleep(ms: number): Promise<void> {
    const { signal } = this.#end;
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener("abort", done);
    });
    signal.throwIfAborted();
  }
}
