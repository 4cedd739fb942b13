import { expect, test } from "vitest";
import type { ReclaimProof } from "../src/peer-messages.js";
import { Reclaim } from "../src/reclaim.js";

/** Both ends of one peer connection, whose data channel opened. */
function pairOf(left: string, right: string): [Reclaim, Reclaim] {
  const ends: [Reclaim, Reclaim] = [new Reclaim(`token of ${left}`), new Reclaim(`token of ${right}`)];
  ends[0].heard(ends[1].identity(right));
  ends[1].heard(ends[0].identity(left));
  return ends;
}

function proofOf(end: Reclaim, userId: string, fingerprint: string): ReclaimProof {
  const proof = end.prove(userId, fingerprint);
  if (!proof) throw new Error("nothing to prove with");
  return proof;
}

test("each end accepts the other's proof", () => {
  const [ada, bob] = pairOf("ada", "bob");
  expect(ada.accepts(proofOf(bob, "ada2", "cert of bob"), "cert of bob")).toBe(true);
  expect(bob.accepts(proofOf(ada, "bob", "cert of ada"), "cert of ada")).toBe(true);
});

test("a proof relayed by somebody in the middle is worth nothing", () => {
  // Mallory is in a call with Ada and in one with Bob, and tells Ada Bob's token as if it were his own.
  const [bob, malloryToBob] = pairOf("bob", "mallory");
  const [ada] = pairOf("ada", "mallory");
  const stolen = proofOf(malloryToBob, "bob", "cert of mallory").token;
  ada.heard({ type: "identity", userId: "bob", token: stolen });
  const fromAda = proofOf(ada, "bob", "cert of ada towards mallory");
  expect(fromAda.token).toBe(stolen);
  expect(bob.accepts(fromAda, "cert of mallory")).toBe(false);
});

test("a token guessed, or of another connection, is worth nothing", () => {
  const [ada] = pairOf("ada", "bob");
  const [, cyn] = pairOf("ada", "cyn");
  cyn.heard({ type: "identity", userId: "ada", token: "guess" });
  expect(ada.accepts(proofOf(cyn, "ada", "cert of bob"), "cert of bob")).toBe(false);
});

test("nothing is accepted before the other end's certificate and token are known", () => {
  const ada = new Reclaim("t");
  const proof: ReclaimProof = { type: "reclaim", token: "t", fingerprint: "" };
  expect(ada.accepts(proof, "")).toBe(false);
  expect(ada.accepts({ ...proof, fingerprint: "cert" }, "cert")).toBe(false);
  ada.heard({ type: "identity", userId: "bob", token: "b" });
  expect(ada.accepts(proof, "")).toBe(false);
  expect(ada.accepts({ ...proof, fingerprint: "cert" }, "cert")).toBe(true);
});

test("a proof is sent once to each id, and again when our own id changed", () => {
  const [ada] = pairOf("ada", "bob");
  expect(ada.prove("bob", "c")).not.toBeNull();
  expect(ada.prove("bob", "c")).toBeNull();
  expect(ada.prove("bob2", "c")).not.toBeNull();
  ada.forgetProof();
  expect(ada.prove("bob2", "c")).not.toBeNull();
});
