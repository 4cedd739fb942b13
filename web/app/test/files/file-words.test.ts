import { SheetbendError } from "sheetbend";
import { FileError } from "sheetbend/files";
import { expect, it } from "vitest";
import {
  kindOf,
  leftWords,
  partsOf,
  peopleWords,
  percentOf,
  progressWords,
  receiveFailure,
  sendFailure,
  sizeWords,
} from "../../src/files/file-words.js";

it.each([
  [0, "0 bytes"],
  [1, "1 byte"],
  [999, "999 bytes"],
  [1_000, "1 kB"],
  [1_234_567, "1.2 MB"],
  [9_990_000, "10 MB"],
  [999_600, "1 MB"],
  [20_000_000, "20 MB"],
  [2_000_000_000, "2 GB"],
  [5e15, "5000 TB"],
])("%i bytes are %s", (bytes, words) => {
  expect(sizeWords(bytes)).toBe(words);
});

it.each([
  [0.4, "a moment left"],
  [12.2, "13 s left"],
  [61, "2 min left"],
  [7_300, "2 h 2 min left"],
  [1e6, "days left"],
])("%i seconds are %s", (seconds, words) => {
  expect(leftWords(seconds)).toBe(words);
});

it.each([
  [null, "25 %"],
  [0, "25 % · waiting for the connection"],
  [15, "25 % · 15 bytes/s · 5 s left"],
])("a rate of %s is said as %j", (bytesPerS, words) => {
  expect(progressWords({ done: 25, size: 100, bytesPerS })).toBe(words);
});

it("what has come and isn't verified is being checked", () => {
  expect(progressWords({ done: 100, size: 100, bytesPerS: 5 })).toBe("100 % · checking");
});

it("an empty file is there at once, and no other is before its end", () => {
  expect([percentOf({ done: 0, size: 0 }), percentOf({ done: 999, size: 1000 })]).toEqual([100, 99]);
});

it.each([
  ["photo.JPG", "picture"],
  ["photo.jpg.exe", "program"],
  ["archive.tar.gz", "archive"],
  ["toString", "other"],
  [".exe", "other"],
  ["report.pdf", "text"],
])("%s is a %s", (name, kind) => {
  expect(kindOf(name)).toBe(kind);
});

it("the ending of a name is told apart from the rest, unless it is none", () => {
  expect(partsOf("a.b.txt")).toEqual({ stem: "a.b", ending: ".txt" });
  expect(partsOf(".hidden")).toEqual({ stem: ".hidden", ending: "" });
  expect(partsOf("No. 5 is no ending")).toEqual({ stem: "No. 5 is no ending", ending: "" });
});

it("people are named up to two", () => {
  expect([["Ada"], ["Ada", "Bob"], ["Ada", "Bob", "Cyn"]].map(peopleWords)).toEqual([
    "Ada",
    "Ada and Bob",
    "3 people",
  ]);
});

it.each([
  "file_declined",
  "file_cancelled",
  "file_not_read",
  "file_corrupt",
  "file_not_written",
  "invalid_transfer",
] as const)("%s is said in a sentence to both", (code) => {
  const error = new FileError(code, "not these words");
  for (const words of [sendFailure(error, "Bob"), receiveFailure(error, "Bob")]) {
    expect(words).toMatch(/^[A-Z].*\.$/);
    expect(words).not.toContain("not these words");
  }
});

it("a member who is lost is named", () => {
  const error = new SheetbendError("delivery_unknown", "lost");
  expect(sendFailure(error, "Bob")).toBe("The connection with Bob was lost.");
});
