import { afterEach, describe, expect, it, vi } from "vitest";
import { newRoomLink, parseRoute, roomPath, roomTyped } from "../src/route.js";

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

describe("the secret of a room", () => {
  it.each([
    ["#100%", "100%"],
    ["#%E0%A4%A", "%E0%A4%A"],
    ["#%C3%BC", "ü"],
  ])("is there in %s, spelled right or not: it must not count as none", (hash, secret) => {
    expect(parseRoute({ pathname: "/r/demo", hash })).toEqual({ page: "room", room: "demo", secret });
  });
});

describe("roomTyped", () => {
  it("is the room of a pasted link, as it is spelled", () => {
    expect(roomTyped(" https://example.org/r/Calm%20River ")).toEqual({ room: "Calm River", secret: null });
    expect(roomTyped("HTTPS://example.org/r/demo#s3cret")).toEqual({ room: "demo", secret: "s3cret" });
  });

  it("is that of a link as the invitation shows it", () => {
    expect(roomTyped("localhost:8765/r/demo#S3cret")).toEqual({ room: "demo", secret: "S3cret" });
  });

  it("takes what is behind # for a secret, which doesn't go to the server as a part of the name", () => {
    expect(roomTyped("Calm River#S3#cret")).toEqual({ room: "calm-river", secret: "S3#cret" });
    expect(roomTyped("calm-river#")).toEqual({ room: "calm-river", secret: null });
    expect(roomTyped("#/r/S3cret")).toBeNull();
  });

  it("is a name without a secret", () => {
    expect(roomTyped(" Team  Stand-up ")).toEqual({ room: "team-stand-up", secret: null });
    expect(roomTyped(" ")).toBeNull();
  });
});

describe("newRoomLink", () => {
  afterEach(() => void vi.restoreAllMocks());

  it("has a secret", async () => {
    const { room, secret } = await newRoomLink();
    expect(room).not.toBe("");
    expect(secret).not.toBeNull();
  });

  it("has none in a browser that can seal nothing, which would find its own room shut", async () => {
    vi.spyOn(crypto.subtle, "generateKey").mockRejectedValue(new DOMException("", "NotSupportedError"));
    expect((await newRoomLink()).secret).toBeNull();
  });
});
