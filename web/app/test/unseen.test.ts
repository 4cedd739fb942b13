import { describe, expect, it } from "vitest";
import names from "../../../protocol/fixtures/names.json";
import { cleanName } from "../src/room/attributes.js";
import { showsSomething, withoutUnseen } from "../src/unseen.js";

const inWords = (name: string) =>
  JSON.stringify(name).replace(/[^ -~]/gu, (char) => `<${char.codePointAt(0)?.toString(16)}>`);
const listed = (list: readonly string[]) => list.map((name) => [inWords(name), name] as const);

describe("what the server takes", () => {
  it.each(listed(names.valid))("%s stays as it is", (_, name) => {
    expect(withoutUnseen(name)).toBe(name);
    expect(showsSomething(name)).toBe(true);
    expect(cleanName(name)).toBe(name);
  });
});

describe("what the server refuses", () => {
  it.each(listed(names.invalid))("%s is mended", (_, name) => {
    expect(withoutUnseen(name)).not.toBe(name);
    expect(withoutUnseen(cleanName(name))).toBe(cleanName(name));
  });

  it.each(listed(names.blank))("%s is no name", (_, name) => {
    expect(withoutUnseen(name)).toBe(name);
    expect(showsSomething(name)).toBe(false);
    expect(cleanName(name)).toBe("");
  });
});

describe("cleanName", () => {
  it("leaves no joiner behind where it cuts", () => {
    const family = "👩‍👧";
    expect(cleanName("x".repeat(62) + family)).toBe(`${"x".repeat(62)}👩`);
    expect(cleanName("x".repeat(61) + family)).toBe("x".repeat(61) + family);
  });

  it("takes away what was joined to something unseen", () => {
    expect(cleanName("👩\u200d\ufe0fA")).toBe("👩A");
  });
});
