import { beforeEach, expect, test, vi } from "vitest";
import { createPair, type Opening, type Pair, type PairPort } from "../src/pair.js";
import { FakeChannel, type FakePeerConnection } from "./fakes/peer-connection.js";
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
    frame: vi.fn(),
    ready: vi.fn(),
    rerouted: vi.fn(),
    ended: vi.fn(),
  };
});

function open(opening: Opening): [Pair, FakePeerConnection] {
  const pair = createPair(client.environment, {}, opening, true, port);
  const connection = client.connections[0];
  if (!connection) throw new Error("no peer connection");
  return [pair, connection];
}

test("offers at once, with a data channel", async () => {
  const [, connection] = open("offer");
  await world.clock.advance(0);
  expect(sent).toEqual(["offer"]);
  expect([...connection.channels.keys()]).toEqual([1, 2]);
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
  expect(connection.channels.size).toBe(0);
});

test("opens no data channel to a peer without labels", async () => {
  const [pair, connection] = open("wait");
  pair.receive({ ...NATIVE_OFFER, labels: null });
  await world.clock.advance(5000);
  expect(connection.channels.size).toBe(0);
});

const restarts = (connection: FakePeerConnection) =>
  connection.log.filter((line) => line === "restart").length;

test.each(["disconnected", "failed"])(
  "restarts ICE at once when it has %s, and again ever more rarely",
  async (state) => {
    const [pair, connection] = open("offer");
    pair.resume(false);
    connection.become("connected");
    connection.become(state);
    const counts: number[] = [];
    for (const ms of [0, 1999, 1, 2000, 3000, 5000, 8000, 8000]) {
      await world.clock.advance(ms);
      counts.push(restarts(connection));
    }
    expect(counts).toEqual([1, 1, 2, 3, 4, 5, 6, 7]);
    connection.become("connected");
    await world.clock.advance(60_000);
    expect(restarts(connection)).toBe(7);
  },
);

test("the polite side leaves the other half a second to restart ICE, and waits where it does", async () => {
  const [pair, connection] = open("offer");
  connection.become("connected");
  pair.resume(true);
  connection.become("disconnected");
  await world.clock.advance(499);
  pair.receive(NATIVE_OFFER);
  await world.clock.advance(1999);
  expect(restarts(connection)).toBe(0);
  await world.clock.advance(1);
  expect(restarts(connection)).toBe(1);
});

test("restarts ICE when the link says that nothing comes through, though the browser says nothing", async () => {
  const [pair, connection] = open("offer");
  connection.become("connected");
  pair.resume(false);
  pair.silent(true);
  await world.clock.advance(499);
  pair.silent(false);
  await world.clock.advance(10_000);
  expect(restarts(connection)).toBe(0);
  pair.silent(true);
  await world.clock.advance(500);
  expect(restarts(connection)).toBe(1);
  connection.become("disconnected");
  connection.become("connected");
  await world.clock.advance(2000);
  expect(restarts(connection)).toBe(2); // it takes the link's word for it
});

test("restarts ICE at once when the network has changed: where all is well, not at every rumour", async () => {
  const [pair, connection] = open("offer");
  connection.become("connected");
  pair.resume(false);
  for (let change = 0; change < 5; change++) pair.networkChanged();
  await world.clock.advance(0);
  expect(restarts(connection)).toBe(1);
  connection.become("disconnected");
  pair.networkChanged();
  await world.clock.advance(0);
  expect(restarts(connection)).toBe(2);
});

test("doesn't restart ICE while nobody would hear of it, and does so then", async () => {
  const [pair, connection] = open("offer");
  connection.become("connected");
  pair.resume(false);
  pair.holdCandidates();
  connection.become("failed");
  await world.clock.advance(30_000);
  expect(restarts(connection)).toBe(0);
  pair.releaseCandidates();
  await world.clock.advance(0);
  expect(restarts(connection)).toBe(1);
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
  await world.clock.advance(0);
  expect(restarts(connection)).toBe(0);
  pair.pause();
  connection.become("disconnected");
  await world.clock.advance(0);
  expect(restarts(connection)).toBe(0);
  pair.resume(false);
  await world.clock.advance(0);
  expect(restarts(connection)).toBe(1);
});

test("leaves a way that ICE has just found the time that SCTP needs", async () => {
  const [pair, connection] = open("offer");
  connection.become("connected");
  connection.channel?.open(new FakeChannel());
  pair.silent(true);
  await world.clock.advance(1000);
  expect(restarts(connection)).toBe(1);
  connection.sctp.transport.iceTransport.onselectedcandidatepairchange?.();
  await world.clock.advance(3999);
  expect(restarts(connection)).toBe(1);
  await world.clock.advance(1);
  expect(restarts(connection)).toBe(2);
});

test("goes on with a restart that is on its way, and begins no other", async () => {
  const [pair, connection] = open("offer");
  connection.become("connected");
  pair.receive({ ...NATIVE_OFFER, type: "answer" });
  await world.clock.advance(0);
  connection.become("disconnected");
  await world.clock.advance(500);
  expect([restarts(connection), connection.signalingState]).toEqual([1, "have-local-offer"]);
  pair.holdCandidates();
  pair.releaseCandidates();
  await world.clock.advance(1999);
  expect(restarts(connection)).toBe(1);
  await world.clock.advance(1);
  expect(restarts(connection)).toBe(2);
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
