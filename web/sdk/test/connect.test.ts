import { expect, test } from "vitest";
import { connect } from "../src/connect.js";
import { World } from "./fakes/world.js";

test("connecting can be aborted, before and meanwhile, and leaves nothing behind", async () => {
  const world = new World();
  const client = world.client();
  const aborted = client.join({ signal: AbortSignal.abort() });
  await expect(aborted).rejects.toMatchObject({ code: "aborted" });
  expect(client.sockets.length).toBe(0);
  const controller = new AbortController();
  const connecting = client.join({ signal: controller.signal });
  controller.abort();
  await expect(connecting).rejects.toMatchObject({ code: "aborted" });
  expect([world.clock.pending, client.listeners.size]).toEqual([0, 0]);
});

test("who gives up between hello and welcome isn't left behind in the room", async () => {
  const world = new World();
  const controller = new AbortController();
  const { receive } = world.server;
  world.server.receive = (socket, message) => {
    receive.call(world.server, socket, message);
    if (message.type === "join") queueMicrotask(() => controller.abort());
  };
  const connecting = world.client().join({ signal: controller.signal });
  await expect(connecting).rejects.toMatchObject({ code: "aborted" });
  expect([world.server.members.size, world.clock.pending]).toEqual([0, 0]);
});

test("once connected the signal has no effect", async () => {
  const controller = new AbortController();
  const room = await new World().client().join({ signal: controller.signal });
  controller.abort();
  expect(room.state).toBe("connected");
});

test("a server that can't be reached, or refuses, rejects", async () => {
  const world = new World();
  world.server.isUp = false;
  await expect(world.client().join()).rejects.toMatchObject({ code: "connection_failed" });
  world.server.isUp = true;
  await expect(world.client().join({ name: "\ud800" })).rejects.toMatchObject({ code: "invalid_argument" });
});

test.each([undefined, null, {}, { room: 5 }])("the options %j reject with a typed error", async (options) => {
  await expect(Reflect.apply(connect, null, ["ws://test/ws", options])).rejects.toMatchObject({
    name: "SheetbendError",
    code: "invalid_argument",
  });
});

test("an address that is none rejects", async () => {
  const { environment } = new World().client();
  environment.WebSocket = class {
    constructor() {
      throw new DOMException("", "SyntaxError");
    }
  } as unknown as typeof environment.WebSocket;
  await expect(connect("nope", { room: "demo", environment })).rejects.toMatchObject({
    code: "invalid_argument",
  });
});
