import { describe, expect, it } from "vitest";
import { AVATAR_HUES, hueOf, initials } from "../../src/room/avatar.js";

describe("initials", () => {
  it.each([
    ["Ana Sousa", "AS"],
    ["Ana de la Sousa", "AS"],
    ["bo", "B"],
    ["李小龍", "李"],
    ["👩‍🚀 Ada", "👩‍🚀A"],
    ["", ""],
  ])("of %s are %s", (name, expected) => {
    expect(initials(name)).toBe(expected);
  });
});

describe("hueOf", () => {
  it("is the same for the same name, and uses every colour", () => {
    expect(hueOf("Ana")).toBe(hueOf("Ana"));
    const hues = new Set(Array.from({ length: 500 }, (_, index) => hueOf(`name ${index}`)));
    expect([...hues].sort((a, b) => a - b)).toEqual(Array.from({ length: AVATAR_HUES }, (_, index) => index));
  });
});
