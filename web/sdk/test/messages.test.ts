import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { decodeServerMessage } from "../src/decode.js";

interface Fixture {
  valid: object[];
  invalid: { message: unknown }[];
}

const url = new URL("../../../protocol/fixtures/v1-server.json", import.meta.url);
const fixtures: [string, Fixture][] = Object.entries(JSON.parse(readFileSync(url, "utf8")).messages);

describe.each(fixtures)("%s", (_type, { valid, invalid }) => {
  test.each(valid)("takes the valid %j", (message) => {
    expect(decodeServerMessage(JSON.stringify(message))).toEqual(message);
  });

  test.each(invalid)("refuses the invalid $message", ({ message }) => {
    expect(decodeServerMessage(JSON.stringify(message))).toBeNull();
  });
});

test.each([
  "",
  "nope",
  "[]",
  "null",
  '"offer"',
  "{}",
  '{"type":"dance"}',
  '{"type":"constructor"}',
  '{"type":"__proto__"}',
])("ignores %s", (text) => {
  expect(decodeServerMessage(text)).toBeNull();
});

test("ignores what is not text", () => {
  expect(decodeServerMessage(new ArrayBuffer(4))).toBeNull();
});

test("keeps fields it doesn't know out of the way", () => {
  const text =
    '{"type":"error","code":"x","message":"y","retryable":false,"__proto__":{"polluted":1},"later":1}';
  expect(decodeServerMessage(text)).toMatchObject({ code: "x" });
  expect({}).not.toHaveProperty("polluted");
});
