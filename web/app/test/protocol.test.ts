/** The limits that the app repeats are those of protocol/codes.json. */

import { expect, it } from "vitest";
import codes from "../../../protocol/codes.json";
import { NAME_CHARS_MAX } from "../src/room/attributes.js";
import { CHAT_TEXT_CHARS_MAX } from "../src/room/chat-log.js";
import { sentenceFor } from "../src/room/error-words.js";
import { ROOM_NAME_CHARS_MAX } from "../src/room-name.js";

const UTF8_BYTES_PER_CHAR_MAX = 4;

it("room names and names are as long as the server takes them", () => {
  expect(ROOM_NAME_CHARS_MAX).toBe(codes.limits.roomIdChars);
  expect(NAME_CHARS_MAX).toBe(codes.limits.nameChars);
});

it("the longest chat message fits into one message", () => {
  expect(CHAT_TEXT_CHARS_MAX * UTF8_BYTES_PER_CHAR_MAX).toBeLessThan(codes.limits.messageBytes);
});

it.each(Object.keys(codes.errors))("%s is said in words", (code) => {
  expect(sentenceFor(code)).toMatch(/^[A-Z].*\.$/);
});
