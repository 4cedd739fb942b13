import { describe, expect, it } from "vitest";
import { parseRoute, roomInLink, roomPath } from "../src/route.js";

describe("parseRoute", () => {
  it.each(["demo", "a b", "ü/ö?#%", "Ünïcode 🦊"])("finds the room that roomPath wrote: %s", (room) => {
    for (const secret of [null, "s3cret", "a/b#c%", "ü"])
      expect(parseRoute(new URL(roomPath({ room, secret }), "http://x"))).toEqual({
        page: "room",
        room,
        secret,
      });
  });

  it.each(["#", ""])("finds no secret in %s", (hash) => {
    expect(parseRoute({ pathname: "/r/demo", hash })).toEqual({ page: "room", room: "demo", secret: null });
  });

  it("knows the connection check", () => {
    expect(parseRoute({ pathname: "/doctor", hash: "" })).toEqual({ page: "doctor" });
  });

  it.each(["/doctor/", "/r/", "/r/a/b", "/x", "/r/%", "/r/%0a", "/r/%E0%A4%A"])(
    "doesn't know %s",
    (pathname) => {
      expect(parseRoute({ pathname, hash: "" })).toEqual({ page: "unknown" });
    },
  );
});

describe("roomInLink", () => {
  it("is the room of a pasted link, as it is spelled", () => {
    expect(roomInLink(" https://example.org/r/Calm%20River ")).toEqual({ room: "Calm River", secret: null });
    expect(roomInLink("https://example.org/r/demo#s3cret")).toEqual({ room: "demo", secret: "s3cret" });
  });

  it.each(["calm-river", "https://example.org/", "https://", "ftp://example.org/r/x"])(
    "is null for %s",
    (text) => {
      expect(roomInLink(text)).toBeNull();
    },
  );
});
