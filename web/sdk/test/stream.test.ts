import { beforeEach, expect, test } from "vitest";
import { createStream, type Stream } from "../src/stream.js";

let stream: Stream;

beforeEach(() => {
  stream = createStream();
  for (const text of ["a", "b", "c"]) stream.keep(text);
});

test("what the other side misses is kept", () => {
  expect(stream.replay(1)).toEqual(["b", "c"]);
  expect(stream.replay(3)).toEqual([]);
});

test("what was acknowledged is let go, and nobody can want it again", () => {
  expect(stream.acknowledge(2)).toBe(true);
  expect(stream.acknowledge(1)).toBe(true);
  expect(stream.replay(1)).toBeNull();
  expect(stream.replay(2)).toEqual(["c"]);
});

test("more than was sent can't have arrived", () => {
  expect(stream.acknowledge(4)).toBe(false);
  expect(stream.replay(4)).toBeNull();
  expect(stream.replay(0)).toEqual(["a", "b", "c"]);
});

test("at most 4096 messages are kept", () => {
  for (let count = 0; count < 4094; count++) stream.keep("x");
  expect(stream.replay(0)).toBeNull();
  expect(stream.replay(1)).toHaveLength(4096);
});

test("at most 4 MiB are kept, in UTF-8", () => {
  for (let count = 0; count < 64; count++) stream.keep("é".repeat(32_768));
  expect(stream.replay(2)).toBeNull();
  expect(stream.replay(3)).toHaveLength(64);
  stream.acknowledge(67);
  stream.keep("x");
  expect(stream.replay(67)).toEqual(["x"]);
});
