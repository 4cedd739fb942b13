import { expect, test } from "vitest";
import type { Json } from "../src/api.js";
import { JSON_DEPTH_MAX } from "../src/codes.js";
import { encode } from "../src/encode.js";

const say = (data: Json) => encode({ type: "message", roomId: "demo", data, id: "1", ref: "1" });

function nested(depth: number): Json {
  return depth === 0 ? 1 : [nested(depth - 1)];
}

test.each<Json>(["\ud83d\udc69", "\\ud83d", "a \\\\ud800", { "[{": "]}" }, '"[[[['])(
  "writes %j as it is",
  (data) => {
    expect(JSON.parse(say(data)).data).toEqual(data);
  },
);

test.each<Json>(["\ud800", "x\udc00y", { "\ud800": 1 }, "\\\ud800"])(
  "refuses the lone surrogate in %j",
  (data) => {
    expect(() => say(data)).toThrow(expect.objectContaining({ code: "invalid_argument" }));
  },
);

test("nests as deep as the protocol allows, message included", () => {
  expect(() => say(nested(JSON_DEPTH_MAX - 1))).not.toThrow();
  expect(() => say(nested(JSON_DEPTH_MAX))).toThrow(expect.objectContaining({ code: "nesting_too_deep" }));
});

test("counts bytes, not characters", () => {
  expect(() => say("é".repeat(32_000))).not.toThrow();
  expect(() => say("é".repeat(33_000))).toThrow(expect.objectContaining({ code: "message_too_big" }));
});

test("refuses what JSON can't hold", () => {
  const cycle: { self?: unknown } = {};
  cycle.self = cycle;
  expect(() => say(cycle as Json)).toThrow(expect.objectContaining({ code: "invalid_argument" }));
});
