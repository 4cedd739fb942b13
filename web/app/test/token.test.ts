import { describe, expect, it } from "vitest";
import { cleanToken, TokenKeeper } from "../src/token.js";

function memory(): Storage {
  const values = new Map<string, string>();
  return {
    get length() {
      return values.size;
    },
    clear: () => values.clear(),
    key: () => null,
    getItem: (key) => values.get(key) ?? null,
    setItem: (key, value) => void values.set(key, value),
    removeItem: (key) => void values.delete(key),
  };
}

function broken(): Storage {
  const refuse = () => {
    throw new DOMException("no", "SecurityError");
  };
  return { length: 0, clear: refuse, key: refuse, getItem: refuse, setItem: refuse, removeItem: refuse };
}

describe("TokenKeeper", () => {
  it("keeps a token over a reload, until it is forgotten", () => {
    const storage = memory();
    new TokenKeeper(storage).keep("t");
    expect(new TokenKeeper(storage).token).toBe("t");
    new TokenKeeper(storage).forget();
    expect(new TokenKeeper(storage).token).toBeNull();
  });

  it.each([null, broken()])("keeps it in this page where there is no storage", (storage) => {
    const keeper = new TokenKeeper(storage);
    keeper.keep("t");
    expect(keeper.token).toBe("t");
    keeper.forget();
    expect(keeper.token).toBeNull();
  });
});

describe("cleanToken", () => {
  it("takes away the line breaks that copying brings", () => {
    expect(cleanToken(" a.b\n  .c \n")).toBe("a.b.c");
  });
});
