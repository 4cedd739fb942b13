/**
 * What is said in the room: each message once, in the room's order, and by whom.
 *
 * A message of somebody who may turn out to be someone we know waits until that is settled, and all behind it wait too.
 * After a lost session the room's history brings what was missed.
 */

import type { FormerMember, Gap, History, Member, Place, RoomMessage, Self } from "./api.js";
import type { Mesh } from "./mesh.js";
import type { Remembered, Roster, Said } from "./messages.js";

/** Said now, or kept in the history, which knows what its sender was called. */
type Words = Said | Remembered;

/** Messages kept back while it is open who their sender is; then the senders are taken for strangers. */
const HELD_MESSAGES_MAX = 256;

/**
 * @param self who we are now
 * @param tell takes each message, in order
 */
export function createConversation(mesh: Mesh, self: () => Self, tell: (message: RoomMessage) => void) {
  const held: Words[] = [];
  let seen: Place | undefined;

  /** Delivers what is held, in order, up to the first message of somebody who may be someone we know. */
  function deliver(): void {
    for (let next = held[0]; next && !mesh.isNewcomer(next.sender); next = held[0]) {
      held.shift();
      const message = present(next);
      if (message) tell(message);
    }
  }

  /** Null for a message of nobody: only who is in the room can say something now. */
  function present(words: Words): RoomMessage | null {
    const { data, offset, time } = words;
    const sender = "name" in words ? rememberedSender(words) : someone(words.sender);
    if (!sender) return null;
    const message = { sender, data, offset, epoch: seen?.epoch ?? "", time, own: sender === self() };
    const to = "to" in words ? words.to : undefined;
    return to ? { ...message, to: to.flatMap((userId) => someone(userId) ?? []) } : message;
  }

  function rememberedSender({ sender, name }: Remembered): Member | Self | FormerMember {
    return mesh.isSelf(sender) ? self() : (mesh.knownAs(sender) ?? { userId: sender, name });
  }

  function someone(userId: string): Member | Self | undefined {
    return userId === self().userId ? self() : mesh.presentAs(userId);
  }

  return {
    /** The last event of the room that was seen; undefined before the first roster. */
    get seen() {
      return seen;
    },

    /** What waits to be delivered. */
    held,

    deliver,

    /** An event of the room came. Returns whether it is news. */
    saw({ type, offset }: { type: string; offset: number }): boolean {
      if (type === "roster") return true;
      if (!seen || offset <= seen.offset) return false;
      seen = { ...seen, offset };
      return true;
    },

    /** We are in the room for the first time. */
    begin({ epoch, offset, history, complete }: Roster): History {
      seen = { epoch, offset };
      return { messages: history.flatMap((words) => present(words) ?? []), complete };
    },

    /** We are back, in another session. What was missed is delivered by `deliver`. */
    goOn({ epoch, offset, history, complete }: Roster): Gap {
      const last = seen?.epoch === epoch ? seen : null;
      held.push(...history.filter((words) => words.offset > (last?.offset ?? -1)));
      seen = { epoch, offset };
      return { complete: complete && last !== null };
    },

    said(message: Said): void {
      held.push(message);
      if (held.length > HELD_MESSAGES_MAX) mesh.admitAll();
      deliver();
    },
  };
}
