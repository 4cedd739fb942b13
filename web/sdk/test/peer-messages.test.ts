import { expect, test } from "vitest";
import { decodeCandidate, decodeDescription, fingerprintOf, labelOf } from "../src/peer-messages.js";

test("a description is text, or an object with labels", () => {
  expect(decodeDescription("offer", "v=0")).toEqual({ type: "offer", sdp: "v=0", labels: null });
  expect(decodeDescription("answer", { type: "answer", sdp: "v=0" })).toEqual({
    type: "answer",
    sdp: "v=0",
    labels: null,
  });
  expect(decodeDescription("offer", { type: "offer", sdp: "v=0", streams: { a: "screen" } })).toEqual({
    type: "offer",
    sdp: "v=0",
    labels: new Map([["a", "screen"]]),
  });
});

test.each([
  null,
  5,
  [],
  {},
  { type: "offer" },
  { type: "offer", sdp: 5 },
  { type: "answer", sdp: "v=0" },
  { type: "rollback", sdp: "" },
])("%j is no offer", (value) => {
  expect(decodeDescription("offer", value)).toBeNull();
});

test("labels are few, short, and can't be mistaken for anything inherited", () => {
  const streams = JSON.parse('{"__proto__":"evil","constructor":"screen","long":"", "n":5}');
  const many = Object.fromEntries(Array.from({ length: 99 }, (_, index) => [`s${index}`, "x"]));
  const labels = (value: unknown) => {
    const description = decodeDescription("offer", { type: "offer", sdp: "v=0", streams: value });
    return description?.type === "offer" ? description.labels : null;
  };
  expect(labels(streams)).toEqual(
    new Map([
      ["__proto__", "evil"],
      ["constructor", "screen"],
    ]),
  );
  expect(labels(many)?.size).toBe(16);
  expect(labels({ a: "x".repeat(65), ["y".repeat(257)]: "x" })).toEqual(new Map());
  expect(labelOf(new Map(), "toString")).toBe("camera");
});

test("a candidate keeps its four fields and nothing else", () => {
  const candidate = {
    candidate: "candidate:1",
    sdpMid: "0",
    sdpMLineIndex: 0,
    usernameFragment: "u",
    evil: 1,
  };
  const { evil: _evil, ...rest } = candidate;
  expect(decodeCandidate(candidate)).toEqual(rest);
  expect(decodeCandidate({ candidate: "c", sdpMid: 5, sdpMLineIndex: "0" })).toEqual({
    candidate: "c",
    sdpMid: null,
    sdpMLineIndex: null,
    usernameFragment: null,
  });
});

test.each([null, "candidate:1", 5, [], {}, { candidate: 5 }])("%j is no candidate", (value) => {
  expect(decodeCandidate(value)).toBeNull();
});

test("a fingerprint is that of all lines together, however it is spelled", () => {
  const line = (value: string) => `a=fingerprint:sha-256 ${value}\r\n`;
  expect(fingerprintOf(`v=0\r\n${line("AB:01")}m=audio\r\n${line("ab:01")}`)).toBe(
    "a=fingerprint:sha-256 ab:01",
  );
  expect(fingerprintOf(line("AB") + line("CD"))).not.toBe(fingerprintOf(line("AB")));
  expect(fingerprintOf(undefined)).toBe("");
});
