/** Whom files can be sent to, and whom they are for where somebody drops them. */

import type { Member, Self } from "sheetbend";
import type { Person } from "../room/person.js";

/** What stands where files can be dropped for everybody; elsewhere it is somebody's key. */
export const EVERYBODY = "everybody";

/** `members` is empty where `words` say why nobody gets anything. */
export interface Recipients {
  members: readonly Member[];
  words: string;
}

type Somebody = Pick<Person, "key" | "name" | "connection"> & { member: Pick<Member, "sealing"> };

/** Files travel between two members alone, and only sealed. */
export function takesFiles({ connection, member }: Somebody): boolean {
  return connection.value !== "unverified" && member.sealing !== null;
}

/** Whoever may not write to everybody may not send them files either. */
export function maySendFiles({ can, muted }: Pick<Self, "can" | "muted">): boolean {
  return can.has("message") && !muted;
}

/** `key`: somebody's, `EVERYBODY`, or null somewhere else in the room. */
export function recipientsAt(key: string | null, people: readonly Person[], maySend: boolean): Recipients {
  const takers = people.filter(takesFiles);
  const one = people.find((person) => person.key === key);
  if (!maySend) return nobody("You may not send anything here");
  if (people.length === 0) return nobody("Nobody else is here");
  if (one !== undefined) return takesFiles(one) ? only(one) : nobody(`${one.name.value} can't take files`);
  if (takers.length === 0) return nobody("Nobody here can take files");
  if (key === EVERYBODY) return { members: takers.map(({ member }) => member), words: "everybody" };
  const [first, second] = takers;
  if (first !== undefined && second === undefined) return only(first);
  return nobody("Drop it on somebody, or in the chat for everybody");
}

function only(person: Person): Recipients {
  return { members: [person.member], words: person.name.value };
}

function nobody(words: string): Recipients {
  return { members: [], words };
}
