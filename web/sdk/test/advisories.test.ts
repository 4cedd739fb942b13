/** After advisories about other clients: what a hostile server or member sends becomes data, and nothing else. */

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Attributes, Json } from "../src/api.js";
import { decodeServerMessage } from "../src/decode.js";
import { parseObject } from "../src/messages.js";
import { decodeCandidate, decodeDescription } from "../src/peer-messages.js";
import { type Client, World } from "./fakes/world.js";

/** Objects as JSON that would give every object a property `polluted`, if they were merged carelessly. */
const POLLUTERS = [
  '{"__proto__":{"polluted":1}}',
  '{"constructor":{"prototype":{"polluted":1}}}',
  '{"a":{"__proto__":{"polluted":1}}}',
  '{"__proto__.polluted":1,"constructor.prototype.polluted":1}',
  '{"__proto__":{"toString":"1","toJSON":1,"then":1,"polluted":1}}',
];

const STRANGER = "f".repeat(32);

let world: World;
let ada: Client;
let bob: Client;

beforeEach(async () => {
  world = new World();
  const [first, second] = await world.call(2);
  if (!first || !second) throw new Error("no call");
  [ada, bob] = [first, second];
  ada.events.length = bob.events.length = 0;
});

afterEach(() => {
  expect({}).not.toHaveProperty("polluted");
  expect(Object.keys(Object.prototype)).toEqual([]);
});

/** A message after which both clients must be as well as before. */
async function expectConversation(): Promise<void> {
  ada.events.length = 0;
  void bob.room.send("still here");
  await world.clock.advance(0);
  expect(ada.events).toEqual(['message "still here"']);
}

describe("CVE-2021-39205, Jitsi Meet: properties that a message brought became those of every object", () => {
  test.each(POLLUTERS)("as a room message: %s", async (text) => {
    const data: Json = JSON.parse(text);
    const heard: Json[] = [];
    ada.room.on("message", (message) => heard.push(message.data));
    void bob.room.send(data);
    await world.clock.advance(0);
    expect(heard.map((value) => JSON.stringify(value))).toEqual([text]);
    expect(Object.getPrototypeOf(heard[0])).toBe(Object.prototype);
    await expectConversation();
  });

  test.each(POLLUTERS)("as somebody's attributes: %s", async (text) => {
    const attributes: Attributes = JSON.parse(text);
    void bob.room.update({ attributes });
    await world.clock.advance(0);
    expect(Object.getPrototypeOf(ada.other.attributes)).toBe(Object.prototype);
    expect(ada.other.attributes).not.toHaveProperty("polluted");
    await expectConversation();
  });

  test.each(POLLUTERS)("beside a message's own fields: %s", async (text) => {
    const fields = text.slice(1, -1);
    for (const type of ["welcome", "roster", "user-joined", "user-updated", "message", "error", "offer"]) {
      ada.socket.hear(`{"type":"${type}",${fields}}`);
      ada.socket.hear(
        `{"type":"${type}","sender":"${STRANGER}","offset":1,"data":1,"member":{${fields}},${fields}}`,
      );
    }
    await world.clock.advance(0);
    await expectConversation();
  });
});

describe("CVE-2022-25878, protobufjs: parsing what came from elsewhere polluted every object", () => {
  test.each(POLLUTERS)("in what members say to each other: %s", (text) => {
    const value = parseObject(text);
    expect(decodeDescription("offer", { type: "offer", sdp: "v=0", streams: value })).not.toBeNull();
    expect(decodeDescription("offer", value)).toBeNull();
    expect(decodeCandidate(value)).toBeNull();
  });

  test("labels are looked up in a Map, so that an inherited name is no label", () => {
    const streams = JSON.parse('{"__proto__":"screen","constructor":"screen"}');
    const description = decodeDescription("offer", { type: "offer", sdp: "v=0", streams });
    if (!description) throw new Error("no description");
    expect([...(description.labels ?? [])]).toEqual([
      ["__proto__", "screen"],
      ["constructor", "screen"],
    ]);
    expect(description.labels?.get("toString")).toBeUndefined();
  });
});

describe("CVE-2023-32695, socket.io-parser: a packet whose event was no string ended the program", () => {
  test.each([
    '{"type":{"toString":"foo"}}',
    '{"type":["toString"]}',
    '{"type":"__proto__"}',
    '{"type":"constructor"}',
    '{"type":"hasOwnProperty"}',
    '{"type":null}',
    '["message"]',
    '{"type":"message","data":1}',
    '{"type":"roster","members":{"length":1}}',
    '{"type":"user-updated","member":[]}',
    `{"type":"offer","sender":"${STRANGER}","sdp":{"toString":1}}`,
    "",
    "null",
    "[".repeat(50_000),
  ])("ignores %.40s", async (text) => {
    expect(() => decodeServerMessage(text)).not.toThrow();
    expect(() => ada.socket.hear(text)).not.toThrow();
    await world.clock.advance(0);
    await expectConversation();
  });
});

describe("CVE-2017-5603, Jitsi: a client believed what a message said of its own sender", () => {
  test("a message of nobody in the room is not shown", async () => {
    for (const sender of [STRANGER, "", "__proto__", 1, null, { userId: STRANGER }]) {
      const message = { type: "message", roomId: "demo", offset: 99, sender, data: "forged", time: 0 };
      ada.socket.hear(JSON.stringify(message));
    }
    await world.clock.advance(0);
    expect(ada.events).toEqual([]);
  });

  test("what the data says of a sender is not believed", async () => {
    const senders: string[] = [];
    ada.room.on("message", ({ sender }) => senders.push(sender.name));
    void bob.room.send({ sender: ada.room.self.userId, name: "Ada", own: true });
    await world.clock.advance(0);
    expect(senders).toEqual(["Bob"]);
  });
});
