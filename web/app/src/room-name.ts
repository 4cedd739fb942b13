/**
 * Names of rooms: what may be one, what a person typed turned into one, and random ones.
 *
 * A random name is the only thing that keeps strangers out, so it holds 36 bits: 7 (adjective) + 8 + 8 (nouns) + 13.3
 * (number). Whoever tries 1,000 names a second needs a year to have an even chance at one room.
 */

import { withoutUnseen } from "./unseen.js";
import { ADJECTIVES, NOUNS } from "./words.js";

/** `roomIdChars` in protocol/codes.json. */
export const ROOM_NAME_CHARS_MAX = 128;
const NUMBERS = 10_000;

export function isRoomName(text: string): boolean {
  return text.length > 0 && [...text].length <= ROOM_NAME_CHARS_MAX && withoutUnseen(text) === text;
}

/** "Team  Stand-up " and "team stand-up" are meant to be one room. Null where nothing is left. */
export function roomNameFrom(typed: string): string | null {
  const name = typed
    .trim()
    .normalize("NFC")
    .toLowerCase()
    .replace(/[\s/]+/g, "-");
  return isRoomName(name) ? name : null;
}

export function randomRoomName(fill: (values: Uint32Array<ArrayBuffer>) => void = fillRandom): string {
  const word = (list: readonly string[]) => list[randomBelow(list.length, fill)];
  const number = String(randomBelow(NUMBERS, fill)).padStart(4, "0");
  return [word(ADJECTIVES), word(NOUNS), word(NOUNS), number].join("-");
}

function fillRandom(values: Uint32Array<ArrayBuffer>): void {
  crypto.getRandomValues(values);
}

/** Uniform: values past the last whole multiple of `bound` are thrown away, so that none is likelier than another. */
function randomBelow(bound: number, fill: (values: Uint32Array<ArrayBuffer>) => void): number {
  const usable = 2 ** 32 - (2 ** 32 % bound);
  const values = new Uint32Array(1);
  for (;;) {
    fill(values);
    const value = values[0] ?? 0;
    if (value < usable) return value % bound;
  }
}
