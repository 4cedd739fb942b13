import { beforeEach, expect, test } from "vitest";
import type { CloseReason, ConnectOptions } from "../src/api.js";
import type { ReconnectPolicy } from "../src/reconnect-policy.js";
import { createSignalling, type Signalling } from "../src/signalling.js";
import { type Client, World } from "./fakes/world.js";

let world: World;
let client: Client;
let events: string[];
let ended: CloseReason | undefined;
let signalling: Signalling;

const AT_ONCE: ReconnectPolicy = { nextDelayMs: () => 100 };
const JOIN = { type: "join", roomId: "demo", name: "", attributes: {}, ref: "j" } as const;

function start(policy = AT_ONCE, token?: ConnectOptions["token"]): void {
  signalling = createSignalling(
    "ws://test/ws",
    client.environment,
    { policy, token, features: [] },
    {
      greeted: () => signalling.send(JOIN),
      welcomed: ({ recovered }) => events.push(`welcomed ${recovered}`),
      received: ({ type }) => events.push(type),
      frame: (data) => events.push(`frame ${data}`),
      lost: () => events.push("lost"),
      ended: (reason) => {
        ended = reason;
      },
    },
  );
  signalling.start();
}

const sentTypes = () => client.socket.sent.map(({ type }) => type);

beforeEach(() => {
  world = new World();
  client = world.client();
  events = [];
  ended = undefined;
});

test("hello and join leave together", async () => {
  start();
  await world.clock.advance(0);
  expect(sentTypes()).toEqual(["hello", "join"]);
  expect(events).toEqual(["welcomed null", "roster"]);
});

test("a first attempt that fails is the end", async () => {
  world.server.isUp = false;
  start();
  await world.clock.advance(0);
  expect(ended?.error).toMatchObject({ code: "connection_failed", retryable: true });
  await world.clock.advance(60_000);
  expect(client.sockets.length).toBe(1);
});

test("a first attempt that hangs is given up after 10 s", async () => {
  world.server.receive = () => {};
  start();
  await world.clock.advance(9999);
  expect(ended).toBeUndefined();
  await world.clock.advance(1);
  expect(ended?.error?.code).toBe("connection_failed");
});

test("a connection that is lost is followed by others, after the delays of the policy", async () => {
  const asked: [number, number][] = [];
  start({
    nextDelayMs: (attempt, elapsedMs) => {
      asked.push([attempt, elapsedMs]);
      return 1000;
    },
  });
  await world.clock.advance(0);
  world.server.crash();
  expect(events.at(-1)).toBe("lost");
  await world.clock.advance(2500);
  world.server.isUp = true;
  await world.clock.advance(1000);
  expect(asked).toEqual([
    [0, 0],
    [1, 1000],
    [2, 2000],
  ]);
  expect(events.filter((event) => event === "lost")).toHaveLength(1);
  expect(events.at(-1)).toBe("welcomed false");
  client.socket.end(1006);
  expect(asked.at(-1)).toEqual([0, 0]);
});

test("a policy that gives up ends it", async () => {
  start({ nextDelayMs: (attempt) => (attempt < 2 ? 10 : null) });
  await world.clock.advance(0);
  world.server.crash();
  await world.clock.advance(100);
  expect(ended).toMatchObject({ code: 1006, error: { code: "connection_failed" } });
});

test.each([1001, 1011, 4501, 4503])("close code %i is followed by another connection", async (code) => {
  start();
  await world.clock.advance(0);
  client.socket.end(code);
  await world.clock.advance(100);
  expect(ended).toBeUndefined();
  expect(client.sockets.length).toBe(2);
});

test.each([1000, 1008, 1009, 4000, 4001, 4002, 4003])("close code %i is final", async (code) => {
  start();
  await world.clock.advance(0);
  client.socket.end(code);
  await world.clock.advance(60_000);
  expect(ended?.code).toBe(code);
  expect(client.sockets.length).toBe(1);
});

test("a session goes on over another connection: what was missed comes, what didn't arrive is sent again", async () => {
  start();
  await world.clock.advance(0);
  const { userId } = [...world.server.members.values()][0] ?? {};
  client.socket.isCut = true;
  signalling.send({ type: "update", roomId: "demo", name: "lost", ref: "1" });
  world.server.tell(String(userId), { type: "waiting", roomId: "demo" });
  client.socket.end(1006);
  signalling.send({ type: "update", roomId: "demo", name: "later", ref: "2" });
  expect(events.at(-1)).toBe("lost");
  await world.clock.advance(100);
  expect(events.slice(-4)).toEqual(["welcomed true", "waiting", "user-updated", "user-updated"]);
  expect(sentTypes()).toEqual(["hello", "ack", "update", "update"]);
  expect(client.socket.sent[0]).toMatchObject({ resume: { token: expect.any(String), received: 1 } });
});

test("what is said in answer to a resume goes behind what is sent again", async () => {
  start();
  await world.clock.advance(0);
  client.socket.isCut = true;
  const update = { type: "update", roomId: "demo" } as const;
  for (const ref of ["1", "2"]) signalling.send({ ...update, ref });
  client.socket.end(1006);
  events.push = (...types) => {
    if (types[0] === "welcomed true") signalling.send({ ...update, ref: "3" });
    return 0;
  };
  await world.clock.advance(100);
  expect(client.socket.sent.flatMap(({ type, ref }) => (type === "update" ? ref : []))).toEqual([
    "1",
    "2",
    "3",
  ]);
});

test("when the network is back it connects at once, also in place of an attempt that hangs", async () => {
  start({ nextDelayMs: () => 9000 });
  await world.clock.advance(0);
  client.socket.end(1006);
  for (const callback of client.listeners) callback(true);
  for (const callback of client.listeners) callback(true);
  await world.clock.advance(0);
  expect(client.sockets.length).toBe(3);
  expect(events.at(-1)).toBe("welcomed true");
});

test("when the network changes a connection that still works stays, and a dead one is known after 5 s", async () => {
  start();
  await world.clock.advance(1000);
  for (const callback of client.listeners) callback(true);
  expect(sentTypes().at(-1)).toBe("ping");
  await world.clock.advance(10_000);
  expect(client.sockets.length).toBe(1);
  client.socket.isCut = true;
  for (const callback of client.listeners) callback(true);
  await world.clock.advance(5100);
  expect(client.sockets.length).toBe(2);
});

test("a connection that has died without a word is found out within 35 s", async () => {
  start();
  await world.clock.advance(40_000);
  expect(client.sockets.length).toBe(1);
  client.socket.isCut = true;
  await world.clock.advance(35_000);
  expect(events).toContain("lost");
  expect(events.at(-1)).toBe("welcomed true");
});

test("a timer that comes hours late asks before it judges", async () => {
  start();
  await world.clock.advance(0);
  const { setTimeout } = client.environment;
  client.environment.setTimeout = (callback, delayMs) => setTimeout(callback, delayMs + 7_200_000);
  signalling.send(JOIN);
  await world.clock.advance(7_300_000);
  expect(client.sockets.length).toBe(1);
  expect(sentTypes()).toContain("ping");
});

test("what arrived is acknowledged after 5 s, and after 256 messages", async () => {
  start();
  await world.clock.advance(0);
  const acks = () => client.socket.sent.flatMap(({ type, received }) => (type === "ack" ? received : []));
  await world.clock.advance(4999);
  expect(acks()).toEqual([]);
  await world.clock.advance(1);
  expect(acks()).toEqual([1]);
  for (let count = 0; count < 256; count++) world.server.broadcast({ type: "of a newer server" });
  for (let turn = 0; turn < 4; turn++) await world.clock.advance(0);
  expect(acks()).toEqual([1, 257]);
});

test("a server that drains is come back to at a random moment of the time it names", async () => {
  start();
  await world.clock.advance(0);
  client.socket.deliver({ type: "draining", withinS: 8 });
  await world.clock.advance(0);
  client.socket.end(4501);
  await world.clock.advance(3999);
  expect(client.sockets.length).toBe(1);
  await world.clock.advance(1);
  expect(client.sockets.length).toBe(2);
});

test("a server of another dialect is refused", async () => {
  const { connect } = world.server;
  world.server.connect = () => Object.assign(connect.call(world.server), { protocol: "" });
  start();
  await world.clock.advance(0);
  expect(ended?.error?.code).toBe("connection_failed");
  expect(client.socket.sent).toEqual([]);
});

test("closing says bye and leaves no timer and no listener", async () => {
  start();
  await world.clock.advance(0);
  signalling.close();
  expect(client.socket.sent.at(-1)).toEqual({ type: "bye" });
  expect(client.socket.isOpen).toBe(false);
  expect(ended).toBeUndefined();
  expect([world.clock.pending, client.listeners.size]).toEqual([0, 0]);
});

test("what is said just before closing is said", async () => {
  start();
  await world.clock.advance(0);
  events.push = () => {
    signalling.send({ type: "update", roomId: "demo", ref: "1" });
    signalling.close();
    return 0;
  };
  client.socket.deliver({ type: "waiting" });
  await world.clock.advance(0);
  expect(sentTypes().slice(-2)).toEqual(["update", "bye"]);
});
