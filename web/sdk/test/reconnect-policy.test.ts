import { expect, test } from "vitest";
import { fullJitter } from "../src/reconnect-policy.js";

test("the bound doubles from 250 ms to 10 s", () => {
  const policy = fullJitter({ random: () => 1 });
  expect([0, 1, 2, 3, 4, 5, 6, 50, 2000].map((attempt) => policy.nextDelayMs(attempt, 0))).toEqual([
    250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000, 10_000,
  ]);
});

test("the delay is anything from 0 to the bound", () => {
  expect(fullJitter({ random: () => 0 }).nextDelayMs(5, 0)).toBe(0);
  expect(fullJitter({ random: () => 0.5, baseMs: 100, maxMs: 300 }).nextDelayMs(2, 0)).toBe(150);
});
