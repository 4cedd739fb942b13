import { describe, expect, it } from "vitest";
import {
  attributesFrom,
  cleanName,
  mediaStateFrom,
  NAME_CHARS_MAX,
  shownName,
} from "../../src/room/attributes.js";

describe("mediaStateFrom", () => {
  it("reads what attributesFrom wrote", () => {
    const state = { microphone: true, camera: false, screen: true };
    expect(mediaStateFrom(attributesFrom(state))).toEqual(state);
  });

  it.each([{}, { mic: "true", camera: 1, screen: [] }, { mic: null, camera: {}, screen: "" }])(
    "takes nothing but booleans: %o",
    (attributes) => {
      expect(mediaStateFrom(attributes)).toEqual({ microphone: null, camera: null, screen: null });
    },
  );
});

describe("shownName", () => {
  it.each(["", "   ", "\u202e\u2066", null, 7, {}])("calls the nameless a guest: %o", (name) => {
    expect(shownName(name)).toBe("Guest");
  });

  it("keeps every script", () => {
    expect(shownName("مريم 李小龍 Jürgen")).toBe("مريم 李小龍 Jürgen");
  });
});

describe("cleanName", () => {
  it("drops what turns text around or can't be seen, and folds white space", () => {
    expect(cleanName(" A\u202ena\n\t Sou\u200bsa\u0007 ")).toBe("Ana Sousa");
  });

  it("cuts by characters, not by halves of them", () => {
    const name = cleanName("🦊".repeat(NAME_CHARS_MAX + 5));
    expect([...name]).toHaveLength(NAME_CHARS_MAX);
    expect(name).toBe("🦊".repeat(NAME_CHARS_MAX));
  });
});
