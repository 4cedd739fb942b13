import { describe, expect, it } from "vitest";
import { isRoomName, ROOM_NAME_CHARS_MAX, randomRoomName, roomNameFrom } from "../src/room-name.js";
import { ADJECTIVES, NOUNS } from "../src/words.js";

describe("words", () => {
  it("are as many as room-name.ts counts bits for, all different", () => {
    expect(new Set(ADJECTIVES).size).toBe(2 ** 7);
    expect(new Set(NOUNS).size).toBe(2 ** 8);
    for (const word of [...ADJECTIVES, ...NOUNS]) expect(word).toMatch(/^[a-z]{2,9}$/);
  });
});

describe("randomRoomName", () => {
  it("is three words and a number", () => {
    expect(randomRoomName()).toMatch(/^[a-z]+-[a-z]+-[a-z]+-\d{4}$/);
    expect(randomRoomName((values) => values.fill(0))).toBe("able-acorn-acorn-0000");
  });

  it("throws values away that would make some numbers likelier", () => {
    const values = [2 ** 32 - 1, 42, 0, 0, 0];
    expect(randomRoomName((array) => array.fill(values.shift() ?? 0))).toBe("able-acorn-acorn-0042");
  });
});

describe("roomNameFrom", () => {
  it.each([
    [" Team  Stand-up ", "team-stand-up"],
    ["a/b", "a-b"],
    ["Zürich", "zürich"],
    ["", null],
    ["  ", null],
    ["x\u202ey", null],
    ["x".repeat(ROOM_NAME_CHARS_MAX + 1), null],
  ])("%o gives %o", (typed, expected) => {
    expect(roomNameFrom(typed)).toBe(expected);
  });
});

describe("isRoomName", () => {
  it.each(["demo", "Ünïcode 🦊", "x".repeat(ROOM_NAME_CHARS_MAX)])("takes %s", (name) => {
    expect(isRoomName(name)).toBe(true);
  });

  it.each(["", "a\nb", "a\u2028b", "a\u200fb"])("refuses %o", (name) => {
    expect(isRoomName(name)).toBe(false);
  });
});
