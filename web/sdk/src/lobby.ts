/** Who waits to be let in, as the server tells moderators. */

import type { WaitingMember } from "./api.js";
import type { MemberRecord } from "./messages.js";

/** What changed. */
export interface LobbyPort {
  knock(member: WaitingMember): void;
  knockEnded(member: WaitingMember): void;
}

export class Lobby {
  readonly byId = new Map<string, WaitingMember>();
  readonly #port: LobbyPort;

  constructor(port: LobbyPort) {
    this.#port = port;
  }

  /** Makes the lobby what the roster says. */
  replace(records: readonly MemberRecord[]): void {
    const waiting = new Set(records.map(({ userId }) => userId));
    for (const userId of [...this.byId.keys()]) if (!waiting.has(userId)) this.remove(userId);
    for (const record of records) this.add(record);
  }

  add({ userId, name, attributes, subject }: MemberRecord): void {
    if (this.byId.has(userId)) return;
    const member = { userId, name, attributes, subject: subject ?? null };
    this.byId.set(userId, member);
    this.#port.knock(member);
  }

  remove(userId: string): void {
    const member = this.byId.get(userId);
    this.byId.delete(userId);
    if (member) this.#port.knockEnded(member);
  }
}
