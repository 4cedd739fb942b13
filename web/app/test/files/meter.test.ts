import { describe, expect, it } from "vitest";
import { Meter, STALLED_MS, together } from "../../src/files/meter.js";

/** Reads a meter twice a second, with so much done at each reading. */
function readings(size: number, done: readonly number[]) {
  const meter = new Meter(size);
  return done.map((bytes, index) => {
    meter.done = bytes;
    return meter.read(1000 + index * 500).bytesPerS;
  });
}

describe("Meter", () => {
  it("knows no rate in the first second", () => {
    expect(readings(100, [0, 10, 20, 30])).toEqual([null, null, 20, 20]);
  });

  it("doesn't count what was there before it began", () => {
    expect(readings(1000, [900, 900, 910])).toEqual([null, null, 10]);
  });

  it("forgets what is long ago", () => {
    const fast = [0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000];
    const slow = Array.from({ length: 11 }, (_, index) => 1001 + index);
    expect(readings(2000, [...fast, ...slow]).at(-1)).toBe(2);
  });

  it("says that nothing goes through once nothing has for a while", () => {
    const rates = readings(100, [0, 10, 20, 20, 20, 20, 20, 20, 20, 20, 30]);
    expect(rates[3]).toBeGreaterThan(0);
    expect(rates[2 + STALLED_MS / 500]).toBe(0);
    expect(rates.at(-1)).toBeGreaterThan(0);
  });

  it("begins anew after a break", () => {
    const meter = new Meter(100);
    meter.read(0);
    meter.restart();
    meter.done = 90;
    meter.read(10_000);
    meter.done = 91;
    expect(meter.read(11_000).bytesPerS).toBe(1);
  });
});

describe("together", () => {
  it("adds what is known", () => {
    const slow = { done: 1, size: 10, bytesPerS: 1 };
    const unknown = { done: 0, size: 10, bytesPerS: null };
    expect(together([slow, unknown, slow])).toEqual({ done: 2, size: 30, bytesPerS: 2 });
    expect(together([unknown]).bytesPerS).toBeNull();
  });
});
