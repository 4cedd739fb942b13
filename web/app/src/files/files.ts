/**
 * The files of one call: those that others offer, those that are sent.
 *
 * Only what most calls need of it is here: the rest, with `sheetbend/files`, is loaded with the first file.
 */

import { computed, type ReadonlySignal, signal } from "@preact/signals";
import type { Member, MemberStream, Room } from "sheetbend";
import type { FileOffer } from "sheetbend/files";
import type { Notices } from "../notices.js";
import type { IncomingFile } from "./incoming-file.js";
import type { OutgoingFile } from "./outgoing-file.js";

/** As `FILE_LABEL` of `sheetbend/files`, which isn't loaded until one comes. */
export const FILE_STREAM_LABEL = "sheetbend:file";
/** More offers of one member wait for no answer: they are declined. */
export const OFFERS_PER_MEMBER_MAX = 20;
/** So many are sent in one go. */
export const SENT_AT_ONCE_MAX = 20;
const TICK_MS = 500;
/** What happens within it is read out together: a screen reader would drop all but the last. */
const SPEAK_MS = 200;

export type SharedFile = IncomingFile | OutgoingFile;

type OnDemand = typeof import("./on-demand.js");

const importAll = (): Promise<OnDemand> => import("./on-demand.js");

export class Files {
  /** How many wait for an answer of this person. */
  readonly offered: ReadonlySignal<number>;
  readonly underWay: ReadonlySignal<readonly SharedFile[]>;
  readonly #notices: Notices;
  readonly #import: () => Promise<OnDemand>;
  readonly #loaded = signal<OnDemand | null>(null);
  readonly #list = signal<readonly SharedFile[]>([]);
  readonly #offs = new Map<string, () => void>();
  #unspoken: string[] = [];
  #timer: ReturnType<typeof setInterval> | undefined;
  #nextKey = 1;

  constructor(room: Room, notices: Notices, load: () => Promise<OnDemand> = importAll) {
    this.#notices = notices;
    this.#import = load;
    this.offered = computed(() => this.#list.value.filter(isOffered).length);
    this.underWay = computed(() => this.#list.value.filter(isUnderWay));
    for (const member of room.members.values()) this.#add(member);
    room.on("member", (member) => this.#add(member));
    room.on("left", (member) => this.#remove(member));
  }

  /** Null until there has been a file. */
  get loaded(): ReadonlySignal<OnDemand | null> {
    return this.#loaded;
  }

  /** The newest first. */
  get list(): ReadonlySignal<readonly SharedFile[]> {
    return this.#list;
  }

  /** Offers each of them to each of these. Never throws: what is wrong is a notice. */
  async send(files: readonly File[], members: readonly Member[]): Promise<void> {
    if (files.length === 0 || members.length === 0) return;
    if (files.length > SENT_AT_ONCE_MAX) {
      this.#notices.show(`${SENT_AT_ONCE_MAX} files can be sent at a time: these are ${files.length}`);
      return;
    }
    const say = (text: string) => this.#say(text);
    try {
      const { OutgoingFile, sendFile: send } = await this.#load();
      for (const file of files)
        this.#show(new OutgoingFile({ key: this.#nextKey++, file, members, send, say }));
    } catch {
      this.#notices.show("This page couldn't load what it needs to send files. Try again");
    }
  }

  dismiss(file: SharedFile): void {
    this.#list.value = this.#list.peek().filter((each) => each !== file);
  }

  dismissEnded(): void {
    this.#list.value = this.#list.peek().filter((each) => isOffered(each) || isUnderWay(each));
  }

  /** The call is over. */
  dispose(): void {
    clearInterval(this.#timer);
    for (const off of this.#offs.values()) off();
    for (const file of this.underWay.peek()) file.cancel();
  }

  #add(member: Member): void {
    if (this.#offs.has(member.key)) return;
    const off = member.on("stream", (stream) => void this.#take(member, stream));
    this.#offs.set(member.key, off);
  }

  #remove(member: Member): void {
    this.#offs.get(member.key)?.();
    this.#offs.delete(member.key);
    for (const file of this.#list.peek()) {
      if (file.direction === "out") file.lose(member);
      else if (file.member === member) file.lose();
    }
  }

  /** Streams that are no files are for nobody here. */
  async #take(member: Member, stream: MemberStream): Promise<void> {
    if (stream.label !== FILE_STREAM_LABEL || !member.can.has("message") || member.muted) {
      await refuse(stream);
      return;
    }
    try {
      const { readOffer, IncomingFile } = await this.#load();
      await this.#offer(member, await readOffer(stream), IncomingFile);
    } catch {
      // The sender is gone already, or doesn't speak the protocol; or nothing could be loaded.
      await refuse(stream);
    }
  }

  async #load(): Promise<OnDemand> {
    this.#loaded.value ??= await this.#import();
    return this.#loaded.value;
  }

  async #offer(member: Member, offer: FileOffer, Incoming: typeof IncomingFile): Promise<void> {
    const incoming = this.#list.peek().filter((file) => file.direction === "in");
    const same = incoming.find((file) => file.isSame(member, offer));
    if (same?.state.peek().at === "interrupted") return same.goOn(offer);
    const waiting = incoming.filter((file) => file.member === member && isOffered(file));
    if (waiting.length >= OFFERS_PER_MEMBER_MAX) return offer.decline();
    // Offered again: what became of it before is of no interest.
    if (same?.state.peek().at === "failed") this.dismiss(same);
    this.#show(new Incoming(this.#nextKey++, member, offer, (text) => this.#say(text)));
  }

  #say(text: string): void {
    if (this.#unspoken.push(text) > 1) return;
    setTimeout(() => {
      this.#notices.speak(this.#unspoken.join(". "));
      this.#unspoken = [];
    }, SPEAK_MS);
  }

  #show(file: SharedFile): void {
    this.#list.value = [file, ...this.#list.peek()];
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
  }

  #tick(): void {
    const now = performance.now();
    for (const file of this.#list.peek()) file.tick(now);
    if (this.offered.peek() + this.underWay.peek().length > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

async function refuse({ readable, writable }: MemberStream): Promise<void> {
  await Promise.allSettled([readable.cancel(), writable.abort()]);
}

export function isOffered(file: SharedFile): boolean {
  return file.direction === "in" && file.state.value.at === "offered";
}

export function isUnderWay(file: SharedFile): boolean {
  if (file.direction === "out") return file.active.value;
  return ["moving", "interrupted"].includes(file.state.value.at);
}
