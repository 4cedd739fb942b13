/** Who waits to be let in, as the server tells moderators. */

import type { WaitingMember } from "./api.js";
import type { MemberRecord } from "./messages.js";

/** @param tell hears of everyone who came or went */
export function createLobby(tell: (what: "knock" | "knockended", member: WaitingMember) => void) {
  const byId = new Map<string, WaitingMember>();

  function add({ userId, name, attributes, subject }: MemberRecord): void {
    if (byId.has(userId)) return;
    const member = { userId, name, attributes, subject: subject ?? null };
    byId.set(userId, member);
    tell("knock", member);
  }

  function remove({ userId }: { userId: string }): void {
    const member = byId.get(userId);
    byId.delete(userId);
    if (member) tell("knockended", member);
  }

  /** Makes the lobby what the roster says. */
  function replace(records: readonly MemberRecord[]): void {
    const waiting = new Set(records.map(({ userId }) => userId));
    for (const member of byId.values()) if (!waiting.has(member.userId)) remove(member);
    for (const record of records) add(record);
  }

  return { byId, add, remove, replace };
}
