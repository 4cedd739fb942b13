import { describe, expect, it } from "vitest";
import {
  LEVEL_CEILING_DB,
  LEVEL_FLOOR_DB,
  levelFrom,
  nextSpeaking,
  rootMeanSquare,
  SILENT,
  SPEAKING_HOLD_MS,
  SPEAKING_LEVEL,
} from "../../src/media/level.js";

const amplitude = (decibels: number) => 10 ** (decibels / 20);

describe("rootMeanSquare", () => {
  it("is the amplitude of a square wave and 0.707 of a sine", () => {
    expect(rootMeanSquare(new Float32Array([0.5, -0.5, 0.5, -0.5]))).toBeCloseTo(0.5);
    const sine = Float32Array.from({ length: 1000 }, (_, index) => Math.sin((index / 100) * 2 * Math.PI));
    expect(rootMeanSquare(sine)).toBeCloseTo(Math.SQRT1_2);
    expect(rootMeanSquare(new Float32Array())).toBe(0);
  });
});

describe("levelFrom", () => {
  it("goes from 0 at the floor to 1 at the ceiling, linear in decibels", () => {
    expect(levelFrom(amplitude(LEVEL_FLOOR_DB))).toBeCloseTo(0);
    expect(levelFrom(amplitude((LEVEL_FLOOR_DB + LEVEL_CEILING_DB) / 2))).toBeCloseTo(0.5);
    expect(levelFrom(amplitude(LEVEL_CEILING_DB))).toBeCloseTo(1);
  });

  it.each([0, Number.NaN, -1])("is 0 for %d", (value) => {
    expect(levelFrom(value)).toBe(0);
  });

  it("is 1 for more than the ceiling", () => {
    expect(levelFrom(1)).toBe(1);
  });
});

describe("nextSpeaking", () => {
  it("begins at once and holds through a pause", () => {
    const loud = nextSpeaking(SILENT, SPEAKING_LEVEL, 1000);
    expect(loud.speaking).toBe(true);
    const pause = nextSpeaking(loud, 0, 1000 + SPEAKING_HOLD_MS - 1);
    expect(pause.speaking).toBe(true);
    expect(nextSpeaking(pause, 0, 1000 + SPEAKING_HOLD_MS).speaking).toBe(false);
  });

  it("doesn't begin for quiet sound", () => {
    expect(nextSpeaking(SILENT, SPEAKING_LEVEL - 0.01, 1000).speaking).toBe(false);
  });
});
