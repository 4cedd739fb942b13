/** A file that somebody wants to send: offered, then accepted or not, then on its way until it is saved. */

import { type ReadonlySignal, signal } from "@preact/signals";
import { type Member, SheetbendError } from "sheetbend";
import type { FileOffer } from "sheetbend/files";
import { shownName } from "../room/attributes.js";
import { chooseDestination, type Destination, MEMORY_BYTES_MAX, takesAnySize } from "./destination.js";
import { receiveFailure, sizeWords } from "./file-words.js";
import { Meter, type Progress } from "./meter.js";

export type IncomingState =
  | { at: "offered"; tooBig: boolean }
  | { at: "moving"; progress: Progress }
  /** The connection was lost for good: it goes on when the sender offers it again, by itself or not. */
  | { at: "interrupted"; progress: Progress }
  | { at: "done"; words: string; saveAgain: (() => void) | null }
  | { at: "failed"; words: string };

export class IncomingFile {
  readonly direction = "in";
  readonly key: number;
  readonly member: Member;
  readonly from: string;
  readonly name: string;
  readonly size: number;
  readonly #state;
  readonly #say: (text: string) => void;
  readonly #meter: Meter;
  readonly #end = new AbortController();
  #offer: FileOffer;
  #destination: Destination | null = null;
  #choosing = false;

  constructor(key: number, member: Member, offer: FileOffer, say: (text: string) => void) {
    this.key = key;
    this.member = member;
    this.from = shownName(member.name);
    this.name = offer.name;
    this.size = offer.size;
    this.#say = say;
    this.#meter = new Meter(offer.size);
    this.#offer = offer;
    const tooBig = offer.size > MEMORY_BYTES_MAX && !takesAnySize();
    this.#state = signal<IncomingState>({ at: "offered", tooBig });
    say(`${this.from} wants to send you ${this.name}, ${sizeWords(this.size)}`);
    void offer.withdrawn.then(() => this.#withdraw());
  }

  get state(): ReadonlySignal<IncomingState> {
    return this.#state;
  }

  isSame(member: Member, { id, name, size }: FileOffer): boolean {
    return this.member === member && this.#offer.id === id && this.name === name && this.size === size;
  }

  /** Within a click. Whoever changes their mind in the browser's dialog can accept later. */
  async accept(): Promise<void> {
    if (this.#choosing || !this.#isAt("offered")) return;
    this.#choosing = true;
    const destination = await chooseDestination(this.name);
    this.#choosing = false;
    if (destination === null) return;
    if (!this.#isAt("offered")) {
      destination.discard(); // It was taken back meanwhile.
    } else if (this.size > destination.sizeMax) {
      this.#state.value = { at: "offered", tooBig: true };
    } else {
      this.#destination = destination;
      this.#say(`Receiving ${this.name}`);
      await this.#take(destination);
    }
  }

  /** The same file once more, from where it broke off: it was accepted before. */
  async goOn(offer: FileOffer): Promise<void> {
    this.#offer = offer;
    if (this.#destination !== null && this.#isAt("interrupted")) await this.#take(this.#destination);
  }

  decline(): void {
    this.#offer.decline().catch(() => {}); // The sender is gone.
    this.#finish("You declined it.");
  }

  cancel(): void {
    this.#finish("You stopped it. Nothing is saved.");
    this.#end.abort();
    this.#destination?.discard();
  }

  /** The sender is not in the room any more. */
  lose(): void {
    if (this.#isAt("offered") || this.#isAt("interrupted")) this.#fail(`${this.from} is gone.`);
  }

  tick(nowMs: number): void {
    if (this.#isAt("moving")) this.#state.value = { at: "moving", progress: this.#meter.read(nowMs) };
  }

  async #take(destination: Destination): Promise<void> {
    this.#meter.restart();
    this.#state.value = { at: "moving", progress: this.#meter.read(performance.now()) };
    const onProgress = (received: number) => {
      this.#meter.done = received;
    };
    try {
      const saved = await destination.take(this.#offer, { onProgress, signal: this.#end.signal });
      this.#state.value = { at: "done", ...saved };
      this.#say(`${this.name} from ${this.from} is saved`);
    } catch (error) {
      if (this.#end.signal.aborted) return;
      if (error instanceof SheetbendError && error.retryable) {
        this.#state.value = { at: "interrupted", progress: this.#meter.read(performance.now()) };
      } else {
        this.#fail(receiveFailure(error, this.from));
      }
    }
  }

  #withdraw(): void {
    if (this.#isAt("offered")) this.#finish(`${this.from} took it back.`);
  }

  #fail(words: string): void {
    this.#destination?.discard();
    this.#finish(words);
    this.#say(`${this.name} didn't arrive. ${words}`);
  }

  #finish(words: string): void {
    this.#state.value = { at: "failed", words };
  }

  #isAt(at: IncomingState["at"]): boolean {
    return this.#state.peek().at === at;
  }
}
