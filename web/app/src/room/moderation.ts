/** Who may enter a room and who waits to be let in, and the verbs of a moderator. A refusal is a passing notice. */

import { computed, type ReadonlySignal, signal } from "@preact/signals";
import type { Access, MediaKind, Room } from "sheetbend";
import type { Notices } from "../notices.js";
import { shownName } from "./attributes.js";
import { askedNews } from "./changes.js";
import { errorWords } from "./error-words.js";
import type { Person } from "./person.js";

/** Somebody in the lobby. */
export interface Waiting {
  userId: string;
  name: string;
}

export class Moderation {
  /** Whether this person may moderate. */
  readonly allowed: ReadonlySignal<boolean>;
  /** In order of knocking; without those who are being answered right now. */
  readonly waiting: ReadonlySignal<readonly Waiting[]>;
  readonly #room: Room;
  readonly #notices: Notices;
  readonly #access;
  readonly #allowed;
  readonly #lobby = signal<readonly Waiting[]>([]);
  readonly #answered = signal<ReadonlySet<string>>(new Set());

  constructor(room: Room, notices: Notices) {
    this.#room = room;
    this.#notices = notices;
    this.#access = signal(room.access);
    this.#allowed = signal(room.self.can.has("moderate"));
    this.allowed = this.#allowed;
    this.waiting = computed(() =>
      this.#lobby.value.filter(({ userId }) => !this.#answered.value.has(userId)),
    );
    room.on("access", (access) => {
      this.#access.value = access;
    });
    room.on("self", ({ can }) => {
      this.#allowed.value = can.has("moderate");
      this.#readLobby();
    });
    room.on("knock", ({ name }) => {
      this.#readLobby();
      notices.speak(`${shownName(name)} is waiting to be let in`);
    });
    room.on("knockended", () => this.#readLobby());
    this.#readLobby();
  }

  get access(): ReadonlySignal<Access> {
    return this.#access;
  }

  async setAccess(access: Access): Promise<void> {
    await this.#attempt(() => this.#room.setAccess(access));
  }

  async admit(userId: string): Promise<void> {
    await this.#answer(userId, () => this.#room.admit(userId));
  }

  async turnAway(userId: string): Promise<void> {
    await this.#answer(userId, () => this.#room.reject(userId));
  }

  async muteChat(person: Person, muted: boolean): Promise<void> {
    await this.#attempt(() => this.#room.mute(person.member, { messages: muted }));
  }

  async askToStop(person: Person, media: MediaKind): Promise<void> {
    const asked = await this.#attempt(() => this.#room.mute(person.member, { media: [media] }));
    if (asked) this.#notices.show(askedNews(person.name.peek(), media));
  }

  async remove(person: Person): Promise<void> {
    await this.#attempt(() => this.#room.remove(person.member));
  }

  /** Out of the list at once, and back if it didn't work. */
  async #answer(userId: string, verb: () => Promise<void>): Promise<void> {
    this.#answered.value = new Set([...this.#answered.peek(), userId]);
    await this.#attempt(verb);
    const answered = new Set(this.#answered.peek());
    answered.delete(userId);
    this.#answered.value = answered;
  }

  /** Whether it was done. */
  async #attempt(verb: () => Promise<void>): Promise<boolean> {
    try {
      await verb();
      return true;
    } catch (error) {
      this.#notices.show(errorWords(error));
      return false;
    }
  }

  #readLobby(): void {
    const waiting = [...this.#room.lobby.values()];
    this.#lobby.value = waiting.map(({ userId, name }) => ({ userId, name: shownName(name) }));
  }
}
