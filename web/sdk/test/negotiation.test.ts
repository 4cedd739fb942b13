import { beforeEach, expect, test } from "vitest";
import { createNegotiation, type NegotiatedConnection, type Negotiation } from "../src/negotiation.js";
import type { PeerDescription } from "../src/peer-messages.js";
import { settle } from "./fakes/clock.js";
import { FakePeerConnection, type Network } from "./fakes/peer-connection.js";

/** One side, and what it sent that was not delivered yet. */
class Side {
  readonly connection: FakePeerConnection;
  readonly negotiation: Negotiation;
  readonly outbox: (PeerDescription | RTCIceCandidateInit)[] = [];

  constructor(network: Network, polite: boolean) {
    this.connection = new FakePeerConnection(network);
    this.negotiation = createNegotiation(this.connection as unknown as NegotiatedConnection, polite, {
      sendDescription: ({ type, sdp }) => {
        if (type === "offer" || type === "answer") this.outbox.push({ type, sdp, labels: null });
      },
      sendCandidate: (candidate) => this.outbox.push(candidate),
      accepting: () => {},
    });
    this.negotiation.resume();
  }

  get sent(): string[] {
    return this.outbox.map((message) => ("type" in message ? message.type : `${message.candidate}`));
  }

  /** Delivers everything sent so far to the other side. */
  async deliver(other: Side): Promise<void> {
    for (const message of this.outbox.splice(0)) {
      if ("type" in message) void other.negotiation.receive(message);
      else void other.negotiation.addCandidate(message);
    }
    await settle();
  }
}

let polite: Side;
let impolite: Side;

beforeEach(() => {
  const network: Network = new Map();
  polite = new Side(network, true);
  impolite = new Side(network, false);
});

/** Delivers until nobody has anything to say. */
async function converse(): Promise<void> {
  for (let round = 0; round < 20 && polite.outbox.length + impolite.outbox.length > 0; round++) {
    await polite.deliver(impolite);
    await impolite.deliver(polite);
  }
  expect([polite.connection.signalingState, impolite.connection.signalingState]).toEqual([
    "stable",
    "stable",
  ]);
}

async function need(...sides: Side[]): Promise<void> {
  for (const side of sides) side.connection.needNegotiation();
  await settle();
}

test("an offer is made when negotiation is needed, and answered", async () => {
  await need(polite);
  expect(polite.sent).toEqual(["offer"]);
  await polite.deliver(impolite);
  expect(impolite.sent).toEqual(["answer"]);
  await converse();
});

test("when offers collide the polite side rolls back and both get what they need", async () => {
  await need(polite, impolite);
  expect([polite.sent, impolite.sent]).toEqual([["offer"], ["offer"]]);
  await converse();
  expect(polite.connection.log).toEqual([
    "local offer",
    "rollback",
    "remote offer",
    "local answer",
    "local offer",
    "remote answer",
  ]);
  expect(impolite.connection.log.filter((line) => line === "rollback")).toEqual([]);
});

test("an offer that arrives while ours is being made collides too", async () => {
  await need(polite);
  impolite.connection.needNegotiation();
  await null; // The impolite side is within setLocalDescription now.
  await polite.deliver(impolite);
  expect(impolite.connection.log).toEqual(["local offer"]);
  await converse();
});

test("the candidates of an ignored offer are dropped without a sound", async () => {
  await need(polite, impolite);
  polite.connection.gather("of the losing offer");
  await polite.deliver(impolite);
  expect(impolite.connection.candidates).toEqual([]);
  await converse();
});

test("candidates that are there before any description wait for it, in order", async () => {
  await impolite.negotiation.addCandidate({ candidate: "first" });
  await impolite.negotiation.addCandidate({ candidate: "second" });
  expect(impolite.connection.candidates).toEqual([]);
  await need(polite);
  await polite.deliver(impolite);
  expect(impolite.connection.candidates).toEqual([{ candidate: "first" }, { candidate: "second" }]);
});

test("early candidates are bounded", async () => {
  for (let index = 0; index < 1000; index++)
    void impolite.negotiation.addCandidate({ candidate: `${index}` });
  await need(polite);
  await polite.deliver(impolite);
  expect(impolite.connection.candidates).toHaveLength(128);
});

test("nothing is sent while paused; then what is due is", async () => {
  polite.negotiation.pause();
  await need(polite);
  polite.connection.gather("found while paused");
  expect(polite.sent).toEqual([]);
  polite.negotiation.resume();
  await settle();
  expect(polite.sent).toEqual(["found while paused", "offer"]);
});

test("an offer that was lost is sent again", async () => {
  await need(polite);
  polite.outbox.length = 0;
  polite.negotiation.pause();
  polite.negotiation.resume();
  expect(polite.sent).toEqual(["offer"]);
  await converse();
});

test("an offer whose answer was lost is sent again, and answered again", async () => {
  await need(polite);
  await polite.deliver(impolite);
  impolite.outbox.length = 0;
  for (const side of [polite, impolite]) side.negotiation.pause();
  for (const side of [polite, impolite]) side.negotiation.resume();
  await converse();
});

test("offers of both sides that were lost collide as usual", async () => {
  await need(polite, impolite);
  for (const side of [polite, impolite]) {
    side.outbox.length = 0;
    side.negotiation.pause();
    side.negotiation.resume();
  }
  await converse();
});

test("an offer ends the wait of a side that held its own back, without a collision", async () => {
  impolite.negotiation.pause();
  await need(impolite);
  await need(polite);
  await polite.deliver(impolite);
  expect(impolite.sent).toEqual(["answer", "offer"]);
  expect(impolite.connection.log).toEqual(["remote offer", "local answer", "local offer"]);
  await converse();
});

test.each<PeerDescription>([
  { type: "offer", sdp: "nonsense", labels: null },
  { type: "answer", sdp: "v=0 to no offer", labels: null },
])("nonsense is dropped, and the next offer still works: %j", async (description) => {
  await impolite.negotiation.receive(description);
  await need(polite);
  await converse();
});

test("an answer that can't be applied doesn't leave the door open for colliding offers", async () => {
  await need(impolite);
  await impolite.negotiation.receive({ type: "answer", sdp: "nonsense", labels: null });
  await impolite.negotiation.receive({ type: "offer", sdp: "v=0", labels: null });
  expect(impolite.connection.signalingState).toBe("have-local-offer");
});
