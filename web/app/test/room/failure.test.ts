import { SheetbendError } from "sheetbend";
import { describe, expect, it } from "vitest";
import { closeFailure, connectFailure, sendFailureText } from "../../src/room/failure.js";

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
});

describe("closeFailure", () => {
  it("says that the server closed the connection where nothing else is known", () => {
    expect(closeFailure({ code: 1000, reason: "" })).toMatchObject({
      title: "The call has ended",
      retryable: true,
    });
  });
});

describe("sendFailureText", () => {
  it("says that a message may have arrived", () => {
    expect(sendFailureText(new SheetbendError("connection_lost", "x"))).toContain(
      "unknown whether this arrived",
    );
  });
});
