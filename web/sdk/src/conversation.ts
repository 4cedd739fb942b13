/**
 * What is said in the room: each message once, in the room's order, and by whom.
 *
 * A message of somebody who may turn out to be someone we know waits until that is settled, and all behind it wait too.
 * After a lost session the room's history brings what was missed.
 */

import type { FormerMember, Gap, History, Member, Place, RoomMessage, Self } from "./api.js";
import type { Mesh } from "./mesh.js";
import type { Remembered, Roster, Said } from "./messages.js";

/** What a conversation needs of the room. */
export interface ConversationPort {
  self(): Self;
  message(message: RoomMessage): void;
}

/** Said now, or kept in the history, which knows what its sender was called. */
type Words = Said | Remembered;

/** Messages kept back while it is open who their sender is; then the senders are taken for strangers. */
const HELD_MESSAGES_MAX = 256;

export class Conversation {
  readonly #mesh: Mesh;
  readonly #port: ConversationPort;
  #held: Words[] = [];
  #seen: Place | null = null;

  constructor(mesh: Mesh, port: ConversationPort) {
    this.#mesh = mesh;
    this.#port = port;
  }

  /** The last event of the room that was seen; null before the first roster. */
  get seen(): Place | null {
    return this.#seen;
  }

  /** Whether messages wait to be delivered. */
  get isHolding(): boolean {
    return this.#held.length > 0;
  }

  /** An event of the room came. Returns whether it is news. */
  saw({ type, offset }: { type: string; offset: number }): boolean {
    if (type === "roster") return true;
    if (!this.#seen || offset <= this.#seen.offset) return false;
    this.#seen = { ...this.#seen, offset };
    return true;
  }

  /** We are in the room for the first time. */
  begin({ epoch, offset, history, complete }: Roster): History {
    this.#seen = { epoch, offset };
    return { messages: history.flatMap((words) => this.#present(words) ?? []), complete };
  }

  /** We are back, in another session. What was missed is delivered by `deliver`. */
  goOn({ epoch, offset, history, complete }: Roster): Gap {
    const isSameRoom = this.#seen?.epoch === epoch;
    const from = isSameRoom && this.#seen ? this.#seen.offset : -1;
    this.#held.push(...history.filter((words) => words.offset > from));
    this.#seen = { epoch, offset };
    return { complete: complete && isSameRoom };
  }

  said(message: Said): void {
    this.#held.push(message);
    if (this.#held.length > HELD_MESSAGES_MAX) this.#mesh.admitAll();
    this.deliver();
  }

  /** Delivers what is held, in order, up to the first message of somebody who may be someone we know. */
  deliver(): void {
    for (let next = this.#held[0]; next && !this.#mesh.isNewcomer(next.sender); next = this.#held[0]) {
      this.#held.shift();
      const message = this.#present(next);
      if (message) this.#port.message(message);
    }
  }

  /** Null for a message of nobody: only who is in the room can say something now. */
  #present(words: Words): RoomMessage | null {
    const { data, offset, time } = words;
    const sender = "name" in words ? this.#rememberedSender(words) : this.#someone(words.sender);
    if (!sender) return null;
    const own = sender === this.#port.self();
    const message = { sender, data, offset, epoch: this.#seen?.epoch ?? "", time, own };
    const to = "to" in words ? words.to : undefined;
    return to ? { ...message, to: to.flatMap((userId) => this.#someone(userId) ?? []) } : message;
  }

  #rememberedSender({ sender, name }: Remembered): Member | Self | FormerMember {
    const own = this.#mesh.isSelf(sender) ? this.#port.self() : null;
    return own ?? this.#mesh.knownAs(sender) ?? { userId: sender, name };
  }

  #someone(userId: string): Member | Self | null {
    const self = this.#port.self();
    return userId === self.userId ? self : this.#mesh.presentAs(userId);
  }
}
