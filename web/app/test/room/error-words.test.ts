import { SheetbendError } from "sheetbend";
import { describe, expect, it } from "vitest";
import { errorWords, sendFailureWords } from "../../src/room/error-words.js";

function limited(retryAfterMs: number | null): SheetbendError {
  return new SheetbendError("rate_limited", "x", true, retryAfterMs);
}

describe("errorWords", () => {
  it("says when to try again where the server does", () => {
    expect(errorWords(limited(1_001))).toContain("Try again in 2 seconds.");
    expect(errorWords(limited(10))).toContain("Try again in a second.");
    expect(errorWords(limited(600_000))).toContain("Try again in 10 minutes.");
    expect(errorWords(limited(null))).not.toContain("Try again");
  });

  it.each(["constructor", "__proto__", "a_code_of_tomorrow"])("passes the sentence on for %s", (code) => {
    expect(errorWords(new SheetbendError(code, "The server said so."))).toBe("The server said so.");
  });

  it("has a word for what is no error", () => {
    expect(errorWords(undefined)).toBe("The reason is unknown.");
    expect(errorWords(new Error(""))).toBe("The reason is unknown.");
  });
});

describe("sendFailureWords", () => {
  it("doesn't claim that a message wasn't sent where nobody knows", () => {
    const words = sendFailureWords(new SheetbendError("delivery_unknown", "x"));
    expect(words).toContain("nobody knows whether this arrived");
    expect(words).not.toContain("Not sent");
    expect(sendFailureWords(new SheetbendError("muted", "x"))).toMatch(/^Not sent\. /);
  });
});
