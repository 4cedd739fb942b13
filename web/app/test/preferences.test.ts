import { describe, expect, it } from "vitest";
import { Preferences, parsePreferences } from "../src/preferences.js";

const DEFAULTS = parsePreferences(null);

describe("parsePreferences", () => {
  it.each(["", "null", "[]", "7", "{", '{"name":7,"microphoneOn":"yes"}'])(
    "gives the defaults for %s",
    (text) => {
      expect(parsePreferences(text)).toEqual(DEFAULTS);
    },
  );

  it("takes what fits and leaves what doesn't", () => {
    expect(parsePreferences('{"name":"Ana","cameraOn":false,"cameraId":7}')).toEqual({
      ...DEFAULTS,
      name: "Ana",
      cameraOn: false,
    });
  });
});

describe("Preferences", () => {
  it("works without a storage", () => {
    const preferences = new Preferences(null);
    preferences.remember({ name: "Ana" });
    expect(preferences.values.value.name).toBe("Ana");
  });

  it("works with a storage that throws", () => {
    const refuse = () => {
      throw new DOMException("", "SecurityError");
    };
    const storage = {
      getItem: refuse,
      setItem: refuse,
      removeItem: refuse,
      clear: refuse,
      key: refuse,
      length: 0,
    };
    const preferences = new Preferences(storage);
    preferences.remember({ name: "Ana" });
    expect(preferences.values.value.name).toBe("Ana");
  });
});
