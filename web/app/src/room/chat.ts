/** The chat of a room: sends, receives, and counts what hasn't been read. */

import { computed, type ReadonlySignal, signal } from "@preact/signals";
import type { Room, RoomMessage } from "sheetbend";
import type { Notices } from "../notices.js";
import { shownName } from "./attributes.js";
import {
  allRead,
  type ChatLog,
  chatData,
  chatTextOf,
  EMPTY_LOG,
  type Outgoing,
  shorten,
  withEntry,
  withFailure,
  withOutgoing,
  withOwn,
  withoutOutgoing,
  withReceived,
} from "./chat-log.js";
import { sendFailureText } from "./failure.js";

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
    room.on("message", (message) => this.#receive(message));
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

  async send(text: string): Promise<void> {
    const id = this.#nextId++;
    this.#log.value = withOutgoing(this.#log.peek(), { id, text, failure: null });
    try {
      await this.#room.send(chatData(text));
      this.#log.value = withoutOutgoing(this.#log.peek(), id);
    } catch (error) {
      this.#log.value = withFailure(this.#log.peek(), id, sendFailureText(error));
    }
  }

  async retry(outgoing: Outgoing): Promise<void> {
    this.discard(outgoing);
    await this.send(outgoing.text);
  }

  discard(outgoing: Outgoing): void {
    this.#log.value = withoutOutgoing(this.#log.peek(), outgoing.id);
  }

  #receive({ sender, data, own }: RoomMessage): void {
    const text = chatTextOf(data);
    if (text === null) return;
    const author = shownName(sender.name);
    const entry = { kind: "message" as const, id: this.#nextId++, author, own, text, sentAtMs: Date.now() };
    const seen = this.#open.peek() && !document.hidden;
    this.#log.value = own ? withOwn(this.#log.peek(), entry) : withReceived(this.#log.peek(), entry, seen);
    // The open panel is a live region of its own.
    if (!own && !this.#open.peek()) this.#notices.speak(`${author}: ${shorten(text, SPOKEN_CHARS_MAX)}`);
  }
}
