import type { Permission, Self } from "sheetbend";
import { describe, expect, it } from "vitest";
import { leftNews, muteNews, selfNews } from "../../src/room/changes.js";

function self(can: readonly Permission[], muted = false): Self {
  return { userId: "", name: "", attributes: {}, can: new Set(can), muted, subject: null };
}

describe("selfNews", () => {
  it("is silent where no right has changed", () => {
    expect(selfNews(self(["message"]), self(["message"]))).toEqual([]);
  });

  it("tells of a right won and of one lost", () => {
    expect(selfNews(self(["message"]), self(["message", "moderate"]))).toEqual([
      "You are a moderator of this room now",
    ]);
    expect(selfNews(self(["message", "publish"]), self(["publish"]))).toEqual([
      "You may not write in the chat any more",
    ]);
  });

  it("tells when the chat is muted, and when it isn't any more", () => {
    expect(selfNews(self([]), self([], true))).toEqual(["A moderator has muted your chat"]);
    expect(selfNews(self([], true), self([]))).toHaveLength(1);
  });
});

describe("muteNews", () => {
  it("names who asked and what was switched off", () => {
    expect(muteNews("Mia", { audio: true, video: false, screen: false })).toContain(
      "Mia asked you to mute your microphone.",
    );
    expect(muteNews("Mia", { audio: true, video: true, screen: true })).toContain(
      "mute your microphone, turn your camera off and stop sharing your screen",
    );
  });
});

describe("leftNews", () => {
  it("says why somebody is gone", () => {
    expect(leftNews("Bob", "leave")).toBe("Bob left");
    expect(leftNews("Bob", "removed")).toBe("A moderator removed Bob");
  });
});
