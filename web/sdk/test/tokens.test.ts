/** Tokens: where they travel, when they are asked for, and what becomes of a room whose token isn't good. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Client, World } from "./fakes/world.js";

let world: World;
let client: Client;
let asked: number;

beforeEach(() => {
  world = new World();
  client = world.client();
  world.server.tokens = new Map(Array.from({ length: 9 }, (_, index) => [`token ${index + 1}`, 3600]));
  asked = 0;
});

afterEach(() => vi.restoreAllMocks());

const nextToken = async () => `token ${++asked}`;
const sent = (type: string) =>
  client.sockets.flatMap((socket) => socket.sent).filter((message) => message.type === type);

test("a token stands in hello, and nowhere else", async () => {
  const urls: string[] = [];
  const { WebSocket } = client.environment;
  client.environment.WebSocket = class extends WebSocket {
    constructor(url: string, protocols: string[]) {
      urls.push(url, ...protocols);
      super(url, protocols);
    }
  };
  const written = (["log", "info", "warn", "error", "debug"] as const).map((name) => vi.spyOn(console, name));
  await client.join({ token: "token 1" });
  expect(sent("hello")).toEqual([expect.objectContaining({ token: "token 1" })]);
  expect(urls).toEqual(["ws://test/ws", "sheetbend.v1"]);
  for (const spy of written) expect(spy).not.toHaveBeenCalled();
});

test.each([
  ["token_required", {}],
  ["invalid_token", { token: "forged" }],
])("what isn't granted is refused with %s", async (code, options) => {
  await expect(client.join(options)).rejects.toMatchObject({ code, retryable: false });
});

test("a function is asked for the first token, and once more when the server refuses it", async () => {
  world.server.tokens?.delete("token 1");
  const room = await client.join({ token: nextToken });
  expect([asked, room.state]).toEqual([2, "connected"]);
  expect(sent("join")).toHaveLength(2);
});

test("each time anew", async () => {
  world.server.tokens?.delete("token 1");
  const room = await client.join({ token: nextToken });
  client.socket.end(4002);
  await world.clock.advance(0);
  expect([asked, room.state]).toEqual([3, "connected"]);
});

test("but not endlessly", async () => {
  world.server.tokens?.clear();
  await expect(client.join({ token: nextToken })).rejects.toMatchObject({ code: "invalid_token" });
  expect(asked).toBe(2);
});

test.each([
  [
    "that throws",
    () => {
      throw new Error("out of tokens");
    },
  ],
  ["that rejects", () => Promise.reject(new Error("out of tokens"))],
])("a function %s ends the attempt, and its error is the cause", async (_name, token) => {
  const connecting = client.join({ token });
  await expect(connecting).rejects.toMatchObject({
    code: "token_unavailable",
    cause: expect.objectContaining({ message: "out of tokens" }),
  });
  expect(client.sockets.length).toBe(0);
});

test.each([
  [3600, 3570],
  [60, 48],
  [10, 8],
])("a token for %i s is refreshed after %i s", async (expiresInS, refreshedAtS) => {
  world.server.tokens?.set("token 1", expiresInS);
  await client.join({ token: nextToken });
  await world.clock.advance(refreshedAtS * 1000 - 1);
  expect(asked).toBe(1);
  await world.clock.advance(1);
  expect(sent("token")).toEqual([{ type: "token", token: "token 2" }]);
  expect(client.sockets.length).toBe(1);
});

test("a fresh token is refreshed in its turn, and used for the next connection", async () => {
  for (const token of ["token 1", "token 2"]) world.server.tokens?.set(token, 100);
  await client.join({ token: nextToken });
  await world.clock.advance(170_000);
  expect(asked).toBe(3);
  client.socket.end(1006);
  await world.clock.advance(1000);
  expect(sent("hello").at(-1)).toMatchObject({ token: "token 3", resume: {} });
});

test("while the function fails the room goes on, and it is asked again", async () => {
  world.server.tokens?.set("token 1", 100);
  const token = vi.fn(nextToken).mockImplementationOnce(nextToken);
  for (let count = 0; count < 4; count++) token.mockRejectedValueOnce(new Error("offline"));
  const room = await client.join({ token });
  await world.clock.advance(101_000);
  expect([token.mock.calls.length, room.state]).toEqual([6, "connected"]);
  expect(sent("token")).toEqual([{ type: "token", token: "token 2" }]);
});

test("a function that fails while nothing goes without a token ends the room, after 3 tries", async () => {
  const token = vi.fn(nextToken).mockImplementationOnce(nextToken).mockRejectedValue(new Error("logged out"));
  const room = await client.join({ token });
  client.socket.end(4002);
  await world.clock.advance(9000);
  expect(room.state).toBe("reconnecting");
  await world.clock.advance(1000);
  expect([token.mock.calls.length, room.state]).toEqual([4, "closed"]);
});

test("a session whose token ran out is followed by another, with a fresh token", async () => {
  const room = await client.join({ token: nextToken });
  client.socket.end(4002);
  world.server.forget();
  await world.clock.advance(0);
  expect([asked, room.state]).toEqual([2, "connected"]);
  expect(client.events).toEqual(["reconnecting", "connected", "gap false"]);
  expect(client.socket.sent.map(({ type }) => type)).toEqual(["hello", "join"]);
  expect(client.socket.sent[0]).not.toHaveProperty("resume");
});

test("a token that was given once ends the room when its time is over", async () => {
  await client.join({ token: "token 1" });
  let code = "";
  client.room.on("closed", ({ error }) => {
    code = error?.code ?? "";
  });
  client.socket.end(4002);
  expect(client.events).toEqual(["closed", "closed 4002"]);
  expect(code).toBe("token_expired");
});

test("who leaves because the connection is lost isn't asked for a token any more", async () => {
  const room = await client.join({ token: nextToken });
  room.on("state", (state) => state === "reconnecting" && room.leave());
  client.socket.end(4002);
  await world.clock.advance(1000);
  expect([asked, client.sockets.length]).toEqual([1, 1]);
});

test("leaving while a token is awaited leaves nothing behind", async () => {
  world.server.graceMs = 0;
  const room = await client.join({
    token: vi.fn(nextToken).mockImplementationOnce(nextToken).mockRejectedValue("x"),
  });
  client.socket.end(4002);
  await world.clock.advance(100);
  await room.leave();
  await world.clock.advance(20_000);
  expect(client.sockets.length).toBe(1);
  expect(world.clock.pending).toBe(0);
});
