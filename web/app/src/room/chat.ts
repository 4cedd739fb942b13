/** The chat of a room: sends, receives, and counts what hasn't been read. */

import { computed, type ReadonlySignal, signal } from "@preact/signals";
import type { Gap, Room, RoomMessage } from "sheetbend";
import type { Notices } from "../notices.js";
import { shownName } from "./attributes.js";
import {
  allRead,
  type ChatLog,
  type ChatMessage,
  chatData,
  chatTextOf,
  EMPTY_LOG,
  type Outgoing,
  shorten,
  withAccepted,
  withEntry,
  withFailure,
  withHistory,
  withOutgoing,
  withOwn,
  withoutOutgoing,
  withReceived,
} from "./chat-log.js";
import { sendFailureWords } from "./error-words.js";

const SPOKEN_CHARS_MAX = 200;

export class Chat {
  readonly unread: ReadonlySignal<number>;
  /** Whether the panel is open; messages that come while it is and the page is in view are read. */
  readonly #open = signal(false);
  readonly #log = signal<ChatLog>(EMPTY_LOG);
  readonly #room: Room;
  readonly #notices: Notices;
  #nextId = 1;

  constructor(room: Room, notices: Notices) {
    this.#room = room;
    this.#notices = notices;
    this.unread = computed(() => this.#log.value.unread);
    this.#log.value = this.#past();
    room.on("message", (message) => this.#receive(message));
    room.on("gap", (gap) => this.#tellOfGap(gap));
  }

  get log(): ReadonlySignal<ChatLog> {
    return this.#log;
  }

  setOpen(open: boolean): void {
    this.#open.value = open;
    this.markRead();
  }

  /** Also to be called when the page comes back into view. */
  markRead(): void {
    if (this.#open.peek() && !document.hidden) this.#log.value = allRead(this.#log.peek());
  }

  note(text: string): void {
    const entry = { kind: "notice" as const, id: this.#nextId++, text, sentAtMs: Date.now() };
    this.#log.value = withEntry(this.#log.peek(), entry);
  }

  /** Never throws: what wasn't sent stays in the log, with the reason. */
  async send(text: string): Promise<void> {
    const id = this.#nextId++;
    this.#log.value = withOutgoing(this.#log.peek(), id, text);
    try {
      const place = await this.#room.send(chatData(text));
      this.#log.value = withAccepted(this.#log.peek(), id, place);
    } catch (error) {
      this.#log.value = withFailure(this.#log.peek(), id, sendFailureWords(error));
    }
  }

  async retry(outgoing: Outgoing): Promise<void> {
    this.discard(outgoing);
    await this.send(outgoing.text);
  }

  discard(outgoing: Outgoing): void {
    this.#log.value = withoutOutgoing(this.#log.peek(), outgoing.id);
  }

  #past(): ChatLog {
    const { messages, complete } = this.#room.history;
    const said = messages.flatMap((message) => this.#entry(message) ?? []);
    return withHistory(EMPTY_LOG, { messages: said, complete }, () => this.#nextId++);
  }

  #receive(message: RoomMessage): void {
    const entry = this.#entry(message);
    if (entry === null) return;
    const seen = this.#open.peek() && !document.hidden;
    const log = this.#log.peek();
    this.#log.value = entry.own ? withOwn(log, entry, message) : withReceived(log, entry, seen);
    // The open panel is a live region of its own.
    if (!entry.own && !this.#open.peek()) {
      this.#notices.speak(`${entry.author}: ${shorten(entry.text, SPOKEN_CHARS_MAX)}`);
    }
  }

  #entry({ sender, data, own, time }: RoomMessage): ChatMessage | null {
    const text = chatTextOf(data);
    if (text === null) return null;
    return { kind: "message", id: this.#nextId++, author: shownName(sender.name), own, text, sentAtMs: time };
  }

  #tellOfGap({ complete }: Gap): void {
    const text = complete ? "Reconnected" : "Some messages may be missing";
    const divider = { kind: "divider" as const, id: this.#nextId++, text, warns: !complete };
    this.#log.value = withEntry(this.#log.peek(), divider);
  }
}
