import { describe, expect, it } from "vitest";
import { shortcutOf } from "../../src/room/shortcuts.js";

const PRESS = { key: "m", ctrlKey: false, metaKey: false, altKey: false, repeat: false, target: null };
const notTyping = () => false;

describe("shortcutOf", () => {
  it("knows its keys in both cases", () => {
    expect(shortcutOf(PRESS, notTyping)).toBe("m");
    expect(shortcutOf({ ...PRESS, key: "V" }, notTyping)).toBe("v");
    expect(shortcutOf({ ...PRESS, key: "x" }, notTyping)).toBeNull();
  });

  it.each(["ctrlKey", "metaKey", "altKey", "repeat"] as const)("leaves keys with %s alone", (modifier) => {
    expect(shortcutOf({ ...PRESS, [modifier]: true }, notTyping)).toBeNull();
  });

  it("leaves keys alone while somebody types", () => {
    expect(shortcutOf(PRESS, () => true)).toBeNull();
  });
});
