import { describe, expect, it } from "vitest";
import {
  allRead,
  CHAT_ENTRIES_MAX,
  CHAT_TEXT_CHARS_MAX,
  type ChatMessage,
  chatData,
  chatTextOf,
  EMPTY_LOG,
  withAccepted,
  withEntry,
  withFailure,
  withHistory,
  withOutgoing,
  withOwn,
  withReceived,
} from "../../src/room/chat-log.js";

const place = (offset: number) => ({ offset, epoch: "e" });

function message(id: number, text: string, own = false): ChatMessage {
  return { kind: "message", id, author: "Ana", own, text, sentAtMs: 0 };
}

describe("chatTextOf", () => {
  it("reads what chatData wrote", () => {
    expect(chatTextOf(chatData("hello"))).toBe("hello");
  });

  it.each([
    null,
    7,
    "hello",
    ["chat"],
    {},
    { type: "chat" },
    { type: "chat", text: 7 },
    { type: "move", text: "x" },
  ])("is null for %o", (data) => {
    expect(chatTextOf(data)).toBeNull();
  });

  it("is null for white space, and short for what is too long", () => {
    expect(chatTextOf({ type: "chat", text: " \n " })).toBeNull();
    const long = chatTextOf({ type: "chat", text: "x".repeat(CHAT_TEXT_CHARS_MAX + 1) });
    expect(long).toHaveLength(CHAT_TEXT_CHARS_MAX);
    expect(long?.endsWith("…")).toBe(true);
  });
});

describe("the chat log", () => {
  it("counts what comes while it isn't seen, until it is", () => {
    const one = withReceived(EMPTY_LOG, message(1, "a"), false);
    const two = withReceived(one, message(2, "b"), false);
    expect(two.unread).toBe(2);
    expect(allRead(two).unread).toBe(0);
    expect(withReceived(two, message(3, "c"), true).unread).toBe(0);
  });

  it("moves an own message from outgoing to its place when it comes back", () => {
    const sending = withOutgoing(withOutgoing(EMPTY_LOG, 1, "hi"), 2, "hi");
    const back = withOwn(sending, message(3, "hi", true), place(7));
    expect(back.outgoing.map(({ id }) => id)).toEqual([2]);
    expect(back.entries.map(({ id }) => id)).toEqual([3]);
  });

  it("takes the one with its place where the server has answered already", () => {
    const sending = withOutgoing(withOutgoing(EMPTY_LOG, 1, "hi"), 2, "hi");
    const accepted = withAccepted(sending, 2, place(8));
    expect(withOwn(accepted, message(3, "hi", true), place(8)).outgoing.map(({ id }) => id)).toEqual([1]);
  });

  it("leaves alone what has another place", () => {
    const accepted = withAccepted(withOutgoing(EMPTY_LOG, 1, "hi"), 1, place(8));
    expect(withOwn(accepted, message(3, "hi", true), place(7)).outgoing.map(({ id }) => id)).toEqual([1]);
  });

  it("says nothing of an answer to what has come back", () => {
    const back = withOwn(withOutgoing(EMPTY_LOG, 1, "hi"), message(3, "hi", true), place(7));
    expect(withAccepted(back, 1, place(7))).toEqual(back);
  });

  it("keeps a failed message with its reason when a like one comes back", () => {
    const failed = withFailure(withOutgoing(EMPTY_LOG, 1, "hi"), 1, "lost");
    expect(withOwn(failed, message(2, "hi", true), place(7)).outgoing).toEqual([
      { id: 1, text: "hi", failure: "lost", place: null },
    ]);
  });

  it("lets the oldest go at the bound", () => {
    let log = EMPTY_LOG;
    for (let id = 0; id <= CHAT_ENTRIES_MAX; id++) log = withEntry(log, message(id, "x"));
    expect(log.entries).toHaveLength(CHAT_ENTRIES_MAX);
    expect(log.entries[0]?.id).toBe(1);
  });
});

describe("withHistory", () => {
  const numbers = () => {
    let next = 100;
    return () => next++;
  };
  const kinds = (complete: boolean, ...messages: ChatMessage[]) =>
    withHistory(EMPTY_LOG, { messages, complete }, numbers()).entries.map((entry) => entry.kind);

  it("puts a divider behind what was said before", () => {
    expect(kinds(true, message(1, "a"))).toEqual(["message", "divider"]);
    expect(withHistory(EMPTY_LOG, { messages: [message(1, "a")], complete: true }, numbers()).unread).toBe(0);
  });

  it("says where older messages are no longer kept", () => {
    expect(kinds(false, message(1, "a"))).toEqual(["divider", "message", "divider"]);
    expect(kinds(false)).toEqual(["divider", "divider"]);
  });

  it("is silent where nothing was said", () => {
    expect(kinds(true)).toEqual([]);
  });
});
