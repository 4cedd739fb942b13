import { SheetbendError } from "sheetbend";
import { describe, expect, it } from "vitest";
import { closeFailure, connectFailure, tokenProblem } from "../../src/room/failure.js";

describe("connectFailure", () => {
  it("says in its own words what it knows", () => {
    expect(connectFailure(new SheetbendError("room_full", "x")).title).toBe("This room is full");
    expect(connectFailure(new SheetbendError("connection_failed", "x")).title).toContain("can't be reached");
  });

  it.each(["constructor", "a_code_of_tomorrow"])("passes the sentence on for %s", (code) => {
    expect(connectFailure(new SheetbendError(code, "The server said so.")).detail).toBe(
      "The server said so.",
    );
  });

  it.each(["banned", "removed"])("offers no way back for %s", (code) => {
    expect(connectFailure(new SheetbendError(code, "x"))).toMatchObject({ retry: null, mayReturn: false });
  });

  it.each(["room_locked", "not_admitted", "room_full"])("offers another try for %s", (code) => {
    expect(connectFailure(new SheetbendError(code, "x"))).toMatchObject({
      retry: expect.any(String),
      mayReturn: true,
    });
  });
});

describe("closeFailure", () => {
  it("says that the server closed the connection where nothing else is known", () => {
    expect(closeFailure({ code: 1000, reason: "" })).toMatchObject({
      title: "The call has ended",
      retry: "Try again",
    });
  });
});

describe("tokenProblem", () => {
  it.each([
    ["token_required", "required"],
    ["invalid_token", "invalid"],
    ["token_expired", "expired"],
  ])("is told by %s", (code, problem) => {
    expect(tokenProblem(new SheetbendError(code, "x"), false)).toBe(problem);
  });

  it("takes a refusal for another room's token only where a token was shown", () => {
    expect(tokenProblem(new SheetbendError("not_allowed", "x"), true)).toBe("elsewhere");
    expect(tokenProblem(new SheetbendError("not_allowed", "x"), false)).toBeNull();
  });

  it.each([new SheetbendError("banned", "x"), new Error("x"), undefined])("is none for %o", (error) => {
    expect(tokenProblem(error, true)).toBeNull();
  });
});
