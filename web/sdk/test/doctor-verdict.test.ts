/** The rule is the same in both languages: protocol/fixtures/doctor.json. */

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { Verdict } from "../src/doctor/report.js";
import { type Outcome, verdictOf } from "../src/doctor/verdict.js";

interface Case {
  name: string;
  checks: Outcome[];
  verdict: Verdict;
}

const url = new URL("../../../protocol/fixtures/doctor.json", import.meta.url);
const cases: Case[] = JSON.parse(readFileSync(url, "utf8"));

test.each(cases.map((each) => [each.name, each] as const))("%s", (_name, { checks, verdict }) => {
  expect(verdictOf(checks)).toEqual(verdict);
});

test("every check may fail, come or stay away without an exception", () => {
  for (const { checks } of cases) {
    for (const { id } of checks) {
      const codes = (["ok", "failed", "skipped"] as const).map(
        (status) =>
          verdictOf(checks.map((check) => (check.id === id ? { ...check, status } : check))).sentence,
      );
      expect(codes.every((sentence) => sentence.endsWith("."))).toBe(true);
    }
  }
});
