import { describe, expect, it } from "vitest";
import { parseRoute, roomInLink, roomPath } from "../src/route.js";

describe("parseRoute", () => {
  it.each(["demo", "a b", "ü/ö?#%", "Ünïcode 🦊"])("finds the room that roomPath wrote: %s", (room) => {
    expect(parseRoute(roomPath(room))).toEqual({ page: "room", room });
  });

  it("knows the connection check", () => {
    expect(parseRoute("/doctor")).toEqual({ page: "doctor" });
  });

  it.each(["/doctor/", "/r/", "/r/a/b", "/x", "/r/%", "/r/%0a", "/r/%E0%A4%A"])("doesn't know %s", (path) => {
    expect(parseRoute(path)).toEqual({ page: "unknown" });
  });
});

describe("roomInLink", () => {
  it("is the room of a pasted link, as it is spelled", () => {
    expect(roomInLink(" https://example.org/r/Calm%20River ")).toBe("Calm River");
  });

  it.each(["calm-river", "https://example.org/", "https://", "ftp://example.org/r/x"])(
    "is null for %s",
    (text) => {
      expect(roomInLink(text)).toBeNull();
    },
  );
});
