/** Who is who, whatever happens to signalling. Whole clients against a fake server and fake peer connections. */
import { beforeEach, expect, test } from "vitest";
import { createKeyPair } from "../src/sealing.js";
import { type Client, World } from "./fakes/world.js";

let world: World;

beforeEach(() => {
  world = new World();
  // What a member's session doesn't survive is what the mesh is for.
  world.server.graceMs = 0;
});

async function call(): Promise<[Client, Client]> {
  const [ada, bob] = await world.call(2);
  if (!ada || !bob) throw new Error("no call");
  expect([ada.other.connection, bob.other.connection]).toEqual(["connected", "connected"]);
  ada.events.length = bob.events.length = 0;
  return [ada, bob];
}

/** Each knows the other by the present id, the call is the one it was, and negotiation works both ways. */
async function expectSameCall(...clients: [Client, Client]): Promise<void> {
  const [ada, bob] = clients;
  expect(ada.other.userId).toBe(bob.room.self.userId);
  expect(bob.other.userId).toBe(ada.room.self.userId);
  for (const client of clients) {
    expect(client.connections.length).toBe(1);
    expect(client.events.filter((event) => /member|left/.test(event))).toEqual([]);
    const before = client.connections[0]?.log.length ?? 0;
    client.connections[0]?.needNegotiation();
    await world.clock.advance(100);
    expect(client.connections[0]?.log.slice(before)).toEqual(["local offer", "remote answer"]);
  }
}

test("a call needs one peer connection on each side, and no offers collide", async () => {
  const [ada, bob] = await call();
  expect([ada.connections.length, bob.connections.length]).toEqual([1, 1]);
  expect(ada.connections[0]?.log).toEqual(["local offer", "remote answer"]);
});

test("a call survives a restart of the server", async () => {
  const [ada, bob] = await call();
  const [key, userId] = [ada.other.key, ada.other.userId];
  world.server.crash();
  await world.clock.advance(5000);
  expect(ada.other.connection).toBe("connected");
  world.server.isUp = true;
  await world.clock.advance(20_000);
  expect(ada.other.key).toBe(key);
  expect(ada.other.userId).not.toBe(userId);
  await expectSameCall(ada, bob);
});

test("three members find each other again after a restart", async () => {
  const clients = await world.call(3);
  world.server.crash();
  world.server.isUp = true;
  await world.clock.advance(20_000);
  for (const { room, connections } of clients) {
    expect(connections.length).toBe(2);
    const others = clients
      .map((client) => client.room.self.userId)
      .filter((userId) => userId !== room.self.userId);
    expect([...room.members.values()].map(({ userId }) => userId).sort()).toEqual(others.sort());
  }
});

test("a call survives a lost connection of one side", async () => {
  const [ada, bob] = await call();
  bob.socket.end(1006);
  await world.clock.advance(2000);
  await expectSameCall(ada, bob);
});

test("also if it is lost again and again", async () => {
  const [ada, bob] = await call();
  for (let round = 0; round < 3; round++) {
    bob.socket.end(1006);
    await world.clock.advance(2000);
  }
  await expectSameCall(ada, bob);
});

test("also if the server hasn't noticed that the old connection is dead", async () => {
  const [ada, bob] = await call();
  world.server.isBlind = true;
  bob.socket.end(1006);
  await world.clock.advance(10_000);
  world.server.isBlind = false;
  await expectSameCall(ada, bob);
  world.server.gone(bob.sockets[0] ?? bob.socket);
  await world.clock.advance(10_000);
  await expectSameCall(ada, bob);
});

test("also if one side comes back much later", async () => {
  const [ada, bob] = await call();
  const { connect } = world.server;
  world.server.connect = () => {
    const socket = connect.call(world.server);
    socket.open = () => socket.fail(1006);
    return socket;
  };
  bob.socket.end(1006);
  await world.clock.advance(60_000);
  expect(ada.other.connection).toBe("connected");
  expect(bob.room.state).toBe("reconnecting");
  world.server.connect = connect;
  await world.clock.advance(20_000);
  await expectSameCall(ada, bob);
});

test("also if the path between them is down at the same time: then ICE restarts", async () => {
  const [ada, bob] = await call();
  for (const { connections } of [ada, bob]) connections[0]?.become("disconnected");
  for (const { connections } of [ada, bob])
    for (const channel of connections[0]?.channels.values() ?? []) channel.isDead = true;
  bob.socket.end(1006);
  await world.clock.advance(2000);
  expect(bob.connections[0]?.log).toContain("restart");
  expect(bob.other.connection).toBe("connected");
  await expectSameCall(ada, bob);
});

test("what changed while signalling was down is negotiated afterwards", async () => {
  const [ada, bob] = await call();
  world.server.crash();
  ada.connections[0]?.needNegotiation();
  bob.connections[0]?.needNegotiation();
  ada.connections[0]?.gather("found while down");
  await world.clock.advance(1000);
  const before = ada.connections[0]?.log.length ?? 0;
  world.server.isUp = true;
  await world.clock.advance(20_000);
  expect(ada.connections[0]?.log.slice(before)).toContain("remote answer");
  expect(bob.connections[0]?.candidates).toEqual([
    expect.objectContaining({ candidate: "found while down" }),
  ]);
  await expectSameCall(ada, bob);
});

test("candidates found while the server couldn't be reached are sent once the session goes on", async () => {
  const [ada, bob] = await call();
  world.server.graceMs = 30_000;
  ada.socket.end(1006);
  ada.connections[0]?.gather("found meanwhile");
  await world.clock.advance(1000);
  expect(bob.connections[0]?.candidates).toEqual([expect.objectContaining({ candidate: "found meanwhile" })]);
  ada.connections[0]?.gather("found later");
  await world.clock.advance(0);
  expect(bob.connections[0]?.candidates).toHaveLength(2);
  await expectSameCall(ada, bob);
});

test("a call survives that one has to wait in the lobby to come back", async () => {
  const [ada, bob] = await call();
  world.server.access = "lobby";
  bob.socket.end(1006);
  await world.clock.advance(10_000);
  const [waiting] = ada.room.lobby.keys();
  await ada.room.admit(waiting ?? "");
  await world.clock.advance(1000);
  await expectSameCall(ada, bob);
});

test.each(["offer", "answer"])("an %s lost with the connection is made up for", async (type) => {
  const [ada, bob] = await call();
  world.server.loses = (message) => message.type === type;
  ada.connections[0]?.needNegotiation();
  await world.clock.advance(100);
  expect(ada.connections[0]?.signalingState).toBe("have-local-offer");
  world.server.loses = () => false;
  bob.socket.end(1006);
  await world.clock.advance(2000);
  expect(ada.connections[0]?.signalingState).toBe("stable");
  await expectSameCall(ada, bob);
});

test("who says goodbye is gone at once", async () => {
  const [ada, bob] = await call();
  await bob.room.leave();
  await world.clock.advance(0);
  expect(ada.events).toEqual(["left Bob leave"]);
  expect(ada.live).toBe(0);
});

test("who is lost stays while the peer connection does well, and for 5 s of disconnection", async () => {
  const [ada, bob] = await call();
  const { connect } = world.server;
  world.server.connect = () => Object.assign(connect.call(world.server), { open: () => {} });
  bob.socket.end(1006);
  await world.clock.advance(60_000);
  expect(ada.events).toEqual([]);
  ada.connections[0]?.become("disconnected");
  await world.clock.advance(4000);
  ada.connections[0]?.become("connected");
  await world.clock.advance(60_000);
  expect(ada.events).toEqual([]);
  ada.connections[0]?.become("disconnected");
  await world.clock.advance(5000);
  expect(ada.events).toEqual(["left Bob disconnect"]);
});

test("who is lost before a call came about is gone 5 s later", async () => {
  const [ada, bob] = [world.client(), world.client()];
  await ada.join({ name: "Ada" });
  world.server.loses = ({ type }) => type === "answer";
  await bob.join({ name: "Bob" });
  await world.clock.advance(100);
  world.server.isUp = false;
  bob.socket.end(1006);
  await world.clock.advance(4999);
  expect(ada.events).toEqual(["member Bob"]);
  await world.clock.advance(1);
  expect(ada.events).toEqual(["member Bob", "left Bob disconnect"]);
});

test("somebody new is met within a second, though somebody else is away", async () => {
  const [ada, bob] = await call();
  const { connect } = world.server;
  world.server.connect = () => Object.assign(connect.call(world.server), { open: () => {} });
  bob.socket.end(1006);
  await world.clock.advance(1000);
  world.server.connect = connect;
  const cyn = world.client();
  await cyn.join({ name: "Cyn" });
  await world.clock.advance(1100);
  expect(ada.events).toEqual(["member Cyn"]);
  expect([...ada.room.members.values()].map(({ connection }) => connection)).toEqual([
    "connected",
    "connected",
  ]);
});

test("who shows somebody else's key, and can't seal with it, is taken for a stranger", async () => {
  const [ada, bob] = await call();
  const key = [...world.server.members.values()].find(({ name }) => name === "Bob")?.key;
  world.server.isBlind = true;
  bob.socket.isCut = true;
  const mallory = world.client();
  mallory.environment.generateKeys = async () => {
    const pair = await crypto.subtle.generateKey("X25519", false, ["deriveBits"]);
    if (!("privateKey" in pair)) throw new Error("X25519 makes pairs.");
    return createKeyPair(new Uint8Array(Buffer.from(key ?? "", "base64url")), pair.privateKey);
  };
  await mallory.join({ name: "Mallory" });
  await world.clock.advance(2000);
  expect(ada.events).toEqual([]);
  await world.clock.advance(1000);
  expect(ada.events).toContain("member Mallory");
  expect([...ada.room.members.values()].map(({ name }) => name)).toEqual(["Bob", "Mallory"]);
});

test.each([undefined, "", "x".repeat(48)])(
  "a description of a member with a key needs its tag, not %s",
  async (tag) => {
    const [ada, bob] = await call();
    const sdp = { type: "offer", sdp: "v=0\r\na=fingerprint:sha-256 new\r\n", streams: {}, tag };
    ada.socket.hear(JSON.stringify({ type: "offer", sender: bob.room.self.userId, roomId: "demo", sdp }));
    await world.clock.advance(1000);
    expect([ada.connections.length, ada.live]).toEqual([1, 1]);
    expect([ada.events, ada.other.connection]).toEqual([[], "connected"]);
  },
);

test("an offer with another certificate starts the call anew: the other side has", async () => {
  world.hasKeys = false;
  const [ada, bob] = await call();
  ada.socket.hear(
    JSON.stringify({
      type: "offer",
      sender: bob.room.self.userId,
      roomId: "demo",
      sdp: { type: "offer", sdp: "v=0\r\na=fingerprint:sha-256 new\r\n", streams: {} },
    }),
  );
  await world.clock.advance(0);
  expect([ada.connections.length, ada.live]).toEqual([2, 1]);
  expect(ada.connections[1]?.log).toEqual(["remote offer", "local answer"]);
  expect(ada.events).toEqual([]);
});

test("an answer with another certificate to our offer starts the call anew; a stray one doesn't", async () => {
  world.hasKeys = false;
  const [ada, bob] = await call();
  const answer = JSON.stringify({
    type: "answer",
    sender: bob.room.self.userId,
    roomId: "demo",
    sdp: "v=0\r\na=fingerprint:sha-256 new\r\n",
  });
  ada.socket.hear(answer);
  await world.clock.advance(0);
  expect(ada.connections.length).toBe(1);
  world.server.loses = ({ type }) => type === "offer";
  ada.connections[0]?.needNegotiation();
  await world.clock.advance(0);
  ada.socket.hear(answer);
  await world.clock.advance(0);
  expect([ada.connections.length, ada.live]).toEqual([2, 1]);
  expect(ada.connections[1]?.log.at(-1)).toBe("local offer");
});

test("when the other end closes its peer connection a new one is made", async () => {
  const [ada, bob] = await call();
  bob.connections[0]?.channel?.close();
  await world.clock.advance(3000);
  expect([ada.connections.length, bob.connections.length]).toEqual([2, 2]);
  expect([ada.other.connection, bob.other.connection]).toEqual(["connected", "connected"]);
  expect(ada.events).toEqual([]);
});

test("a newcomer of the lesson dialect gets a plain offer, at once", async () => {
  const ada = world.client();
  await ada.join({ name: "Ada" });
  const member = { userId: "e".repeat(32), name: "", attributes: {}, polite: true };
  ada.socket.hear(JSON.stringify({ type: "user-joined", roomId: "demo", offset: 9, member }));
  await world.clock.advance(0);
  expect(ada.connections[0]?.log).toEqual(["add audio", "add video", "local offer"]);
});

test("signalling from nobody, and nonsense from somebody, changes nothing", async () => {
  const [ada, bob] = await call();
  const before = [...(ada.connections[0]?.log ?? [])];
  const values = [
    null,
    5,
    "v=0 x",
    {},
    { type: "offer", sdp: "x" },
    { type: "answer", sdp: "v=0\r\na=fingerprint:sha-256 other\r\n", streams: {}, tag: "x" },
  ];
  for (const sender of ["f".repeat(32), bob.room.self.userId]) {
    for (const sdp of values)
      ada.socket.hear(JSON.stringify({ type: "answer", sender, roomId: "demo", sdp }));
    for (const candidate of [null, 5, {}]) {
      ada.socket.hear(JSON.stringify({ type: "ice-candidate", sender, roomId: "demo", candidate }));
    }
  }
  for (const data of ["{", "null", "5", '{"type":"identity"}'])
    ada.connections[0]?.channel?.onmessage?.({ data });
  await world.clock.advance(1000);
  expect(ada.connections[0]?.log).toEqual(before);
  await expectSameCall(ada, bob);
});

test("a member that the browser can't make a peer connection for is there, and failed", async () => {
  const [ada, bob] = [world.client(), world.client()];
  ada.environment.RTCPeerConnection = class {
    constructor() {
      throw new DOMException("Cannot create so many PeerConnections", "UnknownError");
    }
  } as unknown as typeof ada.environment.RTCPeerConnection;
  await ada.join({ name: "Ada" });
  await bob.join({ name: "Bob" });
  await world.clock.advance(0);
  expect(ada.other.connection).toBe("failed");
  expect((await ada.other.getStats()).size).toBe(0);
});

test("leaving closes everything and leaves no timer and no listener", async () => {
  const [ada, bob] = await call();
  bob.socket.end(1006);
  await world.clock.advance(1000);
  for (const client of [ada, bob]) {
    client.connections[0]?.become("disconnected");
    await client.room.leave();
    expect([client.live, client.listeners.size, client.room.members.size]).toEqual([0, 0, 0]);
  }
  expect(world.clock.pending).toBe(0);
});
