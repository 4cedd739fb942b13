import { beforeEach, expect, test, vi } from "vitest";
import { type Opening, Pair, type PairPort } from "../src/pair.js";
import type { FakePeerConnection } from "./fakes/peer-connection.js";
import { type Client, FakeStream, fakeStream, fakeTrack, World } from "./fakes/world.js";

const NATIVE_OFFER = {
  type: "offer",
  sdp: "v=0\r\na=fingerprint:sha-256 peer\r\n",
  labels: new Map(),
} as const;

let world: World;
let client: Client;
let sent: string[];
let port: PairPort;

beforeEach(() => {
  world = new World();
  client = world.client();
  sent = [];
  port = {
    sendDescription: ({ type }) => sent.push(type),
    sendCandidate: ({ candidate }) => sent.push(`${candidate}`),
    track: vi.fn(),
    changed: vi.fn(),
    opened: vi.fn(),
    heard: vi.fn(),
    ended: vi.fn(),
  };
});

function open(opening: Opening): [Pair, FakePeerConnection] {
  const pair = new Pair(client.environment, {}, opening, true, port);
  const connection = client.connections[0];
  if (!connection) throw new Error("no peer connection");
  return [pair, connection];
}

test("offers at once, with a data channel", async () => {
  const [, connection] = open("offer");
  await world.clock.advance(0);
  expect(sent).toEqual(["offer"]);
  expect(connection.channel).not.toBeNull();
});

test("leaves the first offer to the other side for a second", async () => {
  open("wait");
  await world.clock.advance(999);
  expect(sent).toEqual([]);
  await world.clock.advance(1);
  expect(sent).toEqual(["offer"]);
});

test("answers while it waits, and then has nothing to offer of its own", async () => {
  const [pair, connection] = open("wait");
  pair.receive(NATIVE_OFFER);
  await world.clock.advance(5000);
  expect(sent[0]).toBe("answer");
  expect(connection.log).not.toContain("rollback");
});

test("a plain offer has room for audio and video, and no data channel", async () => {
  const [, connection] = open("plain");
  await world.clock.advance(0);
  expect(sent).toEqual(["offer"]);
  expect(connection.log.slice(0, 2)).toEqual(["add audio", "add video"]);
  expect(connection.channel).toBeNull();
});

test("opens no data channel to a peer without labels", async () => {
  const [pair, connection] = open("wait");
  pair.receive({ ...NATIVE_OFFER, labels: null });
  await world.clock.advance(5000);
  expect(connection.channel).toBeNull();
});

test("restarts ICE at once when it failed", () => {
  const [, connection] = open("offer");
  connection.become("failed");
  expect(connection.log).toContain("restart");
});

test("restarts ICE after 3 s of being disconnected, and not if it recovers before", async () => {
  const [, connection] = open("offer");
  connection.become("disconnected");
  await world.clock.advance(2999);
  connection.become("connected");
  await world.clock.advance(10_000);
  expect(connection.log).not.toContain("restart");
  connection.become("disconnected");
  await world.clock.advance(3000);
  expect(connection.log.filter((line) => line === "restart")).toHaveLength(1);
});

test("gives up when DTLS failed, once", () => {
  const [, connection] = open("offer");
  connection.sctp.transport.state = "failed";
  connection.become("failed");
  connection.channel?.close();
  expect(port.ended).toHaveBeenCalledTimes(1);
  expect(connection.log).not.toContain("restart");
  expect(connection.signalingState).toBe("closed");
});

test("says as a person would how it does", () => {
  const [pair, connection] = open("offer");
  const states = ["connecting", "connected", "disconnected", "connecting", "failed"].map((state) => {
    connection.become(state);
    return pair.state;
  });
  expect(states).toEqual(["connecting", "connected", "reconnecting", "reconnecting", "failed"]);
});

test("resuming restarts ICE only if it isn't connected", async () => {
  const [pair, connection] = open("offer");
  connection.become("connected");
  pair.pause();
  pair.resume(false);
  expect(connection.log).not.toContain("restart");
  connection.become("disconnected");
  pair.pause();
  pair.resume(false);
  expect(connection.log).toContain("restart");
});

test("pausing stops the wait for the first offer", async () => {
  const [pair] = open("wait");
  pair.pause();
  await world.clock.advance(5000);
  expect(sent).toEqual([]);
});

test("knows a description of another peer connection by its certificate", () => {
  const [pair] = open("wait");
  expect(pair.isFromAnother(NATIVE_OFFER)).toBe(false);
  pair.receive(NATIVE_OFFER);
  expect(pair.isFromAnother(NATIVE_OFFER)).toBe(false);
  expect(pair.isFromAnother({ ...NATIVE_OFFER, sdp: "v=0\r\na=fingerprint:sha-256 other\r\n" })).toBe(true);
});

test("a track's label is the one that came with its description; without a stream it gets one", () => {
  const [pair, connection] = open("wait");
  const [track, loose] = [fakeTrack(), fakeTrack("audio")];
  const screen = fakeStream("s");
  pair.receive({ ...NATIVE_OFFER, labels: new Map([["s", "screen"]]) });
  connection.ontrack?.({ track, streams: [screen] });
  connection.ontrack?.({ track: loose, streams: [] });
  expect(port.track).toHaveBeenNthCalledWith(1, track, screen, "screen");
  expect(port.track).toHaveBeenNthCalledWith(2, loose, expect.any(FakeStream), "camera");
});

test("a track is sent again if the other end stopped its transceiver", () => {
  const [pair, connection] = open("offer");
  pair.addTrack(fakeTrack(), fakeStream("s"));
  connection.transceivers[0]?.stop();
  connection.onsignalingstatechange?.();
  expect(connection.log.filter((line) => line === "add track")).toHaveLength(2);
});

test("stops transceivers that neither side uses", () => {
  const [pair, connection] = open("offer");
  const [mine, shared] = [fakeTrack(), fakeTrack()];
  for (const track of [mine, shared]) pair.addTrack(track, fakeStream("s"));
  const [first, second] = connection.transceivers;
  if (!first || !second) throw new Error("no transceivers");
  first.currentDirection = "sendonly";
  second.currentDirection = "sendrecv";
  pair.removeTrack(mine);
  pair.removeTrack(shared);
  expect([first.direction, second.direction]).toEqual(["stopped", "sendrecv"]);
  second.currentDirection = "inactive";
  connection.onsignalingstatechange?.();
  expect(second.direction).toBe("stopped");
});

test("replaces a track without negotiation, and with it where the browser can't", async () => {
  const [pair, connection] = open("offer");
  const [first, second, third] = [fakeTrack(), fakeTrack(), fakeTrack()];
  pair.addTrack(first, fakeStream("s"));
  const sender = connection.transceivers[0]?.sender;
  if (!sender) throw new Error("no sender");
  await pair.replaceTrack(first, second);
  expect(sender.track).toBe(second);
  expect(connection.log.filter((line) => line === "add track")).toHaveLength(1);
  sender.replaceTrack = () => Promise.reject(new DOMException("", "InvalidModificationError"));
  await pair.replaceTrack(second, third);
  expect(connection.transceivers[1]?.sender.track).toBe(third);
});

test("closing leaves no timer", async () => {
  const [pair, connection] = open("wait");
  connection.become("disconnected");
  pair.close();
  expect(world.clock.pending).toBe(0);
  expect(port.ended).not.toHaveBeenCalled();
});
