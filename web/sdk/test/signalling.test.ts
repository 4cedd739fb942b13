import { beforeEach, expect, test } from "vitest";
import type { CloseReason } from "../src/api.js";
import type { ReconnectPolicy } from "../src/reconnect-policy.js";
import { Signalling } from "../src/signalling.js";
import { type Client, World } from "./fakes/world.js";

let world: World;
let client: Client;
let events: string[];
let ended: CloseReason | undefined;
let signalling: Signalling;

function start(policy: ReconnectPolicy = { nextDelayMs: () => 100 }): void {
  signalling = new Signalling("ws://test/ws", client.environment, policy, {
    join: () => ({ type: "join", roomId: "demo", name: "", attributes: {}, ref: "j" }),
    greeted: () => events.push("greeted"),
    received: ({ type }) => events.push(type),
    lost: () => events.push("lost"),
    ended: (reason) => {
      ended = reason;
    },
  });
  signalling.start();
}

beforeEach(() => {
  world = new World();
  client = world.client();
  events = [];
  ended = undefined;
});

test("hello and join leave together, the rest right behind", async () => {
  start();
  await world.clock.advance(0);
  expect(client.socket.sent.map(({ type }) => type)).toEqual(["hello", "join"]);
  expect(events).toEqual(["greeted", "welcome", "roster"]);
  expect(signalling.joined).toBe(true);
});

test("a first attempt that fails is the end", async () => {
  world.server.isUp = false;
  start();
  await world.clock.advance(0);
  expect(ended?.error).toMatchObject({ code: "connection_failed", retryable: true });
  await world.clock.advance(60_000);
  expect(client.sockets.length).toBe(1);
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
  expect(signalling.joined).toBe(true);
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

test.each([1001, 1011, 4501])("close code %i is followed by another connection", async (code) => {
  start();
  await world.clock.advance(0);
  client.socket.end(code);
  await world.clock.advance(100);
  expect(ended).toBeUndefined();
  expect(client.sockets.length).toBe(2);
});

test.each([1000, 1008, 1009, 4000])("close code %i is final", async (code) => {
  start();
  await world.clock.advance(0);
  client.socket.end(code);
  await world.clock.advance(60_000);
  expect(ended?.code).toBe(code);
  expect(client.sockets.length).toBe(1);
});

test("when the network is back it connects at once, also in place of an attempt that hangs", async () => {
  start({ nextDelayMs: () => 9000 });
  await world.clock.advance(0);
  client.socket.end(1006);
  for (const callback of client.listeners) callback();
  await world.clock.advance(0);
  expect(client.sockets.length).toBe(2);
  expect(signalling.joined).toBe(true);
  for (const callback of client.listeners) callback();
  expect(client.sockets.length).toBe(2);
});

test("an attempt without a roster within 10 s is given up", async () => {
  start();
  await world.clock.advance(0);
  const { receive } = world.server;
  world.server.receive = () => {};
  client.socket.end(1006);
  await world.clock.advance(100);
  expect(client.sockets.length).toBe(2);
  world.server.receive = receive;
  await world.clock.advance(10_100);
  expect(client.sockets.length).toBe(3);
  expect(signalling.joined).toBe(true);
});

test("a refused join is the end, unless it was let in before and may be again", async () => {
  start();
  await world.clock.advance(0);
  const refuse = (code: string, retryable: boolean) =>
    client.socket.hear(JSON.stringify({ type: "error", code, message: "", retryable, ref: "j" }));
  refuse("room_full", true);
  await world.clock.advance(100);
  expect(client.sockets.length).toBe(2);
  refuse("invalid_name", false);
  expect(ended?.error).toMatchObject({ code: "invalid_name" });
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
