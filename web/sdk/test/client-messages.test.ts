/** What a client really sends, held against the valid examples of the protocol. */
import { readFileSync } from "node:fs";
import { beforeAll, expect, test } from "vitest";
import { fakeStream, fakeTrack, World } from "./fakes/world.js";

type Message = { type: string; [field: string]: unknown };

const url = new URL("../../../protocol/fixtures/v1-client.json", import.meta.url);
const fixtures: { [type: string]: { valid: Message[] } } = JSON.parse(readFileSync(url, "utf8")).messages;
const sent: Message[] = [];

beforeAll(async () => {
  const world = new World();
  const [ada, bob] = await world.call(2);
  if (!ada || !bob) throw new Error("no call");
  ada.room.publish(fakeStream("s", fakeTrack()));
  ada.room.send({ text: "hi" });
  ada.room.send(null, { to: [ada.other] });
  ada.room.update({ name: "Ada L.", attributes: { mic: true } });
  await world.clock.advance(100);
  ada.connections[0]?.gather("candidate:1 1 udp 1 192.0.2.1 9 typ host");
  bob.socket.end(1006);
  await world.clock.advance(20_000);
  world.server.forget();
  bob.socket.end(1006);
  await world.clock.advance(1000);
  await Promise.all([bob.room.setAccess("lobby"), ada.room.leave()]);
  const cyn = world.client();
  const joined = cyn.join({ token: async () => "token" });
  await world.clock.advance(100);
  const [waiting = ""] = bob.room.lobby.keys();
  await bob.room.admit(waiting);
  await joined;
  await world.clock.advance(1000);
  const [member] = [...bob.room.members.values()].filter(({ userId }) => userId === waiting);
  if (!member) throw new Error("not let in");
  await bob.room.mute(member, { messages: true, media: ["audio"] });
  bob.room.reject(waiting).catch(() => {});
  await bob.room.remove(member);
  await ada.room.leave();
  for (const { sockets } of [ada, bob, cyn]) sent.push(...sockets.flatMap((socket) => socket.sent));
});

const TYPES = Object.keys(fixtures).filter((type) => !["leave", "token", "unknown"].includes(type));

test.each(TYPES)("%s is as in the protocol", (type) => {
  const messages = sent.filter((message) => message.type === type);
  const valid = fixtures[type]?.valid ?? [];
  expect(messages).not.toHaveLength(0);
  for (const message of messages) {
    const { ref = "", ...fields } = message; // Any message may carry a ref.
    expect(ref).toBeTypeOf("string");
    for (const [field, value] of Object.entries(fields)) {
      const examples = valid.filter((example) => field in example).map((example) => kindOf(example[field]));
      const isPassedThrough = ["sdp", "candidate", "data"].includes(field);
      expect(examples, `${type}.${field}`).toContain(isPassedThrough ? examples[0] : kindOf(value));
    }
    for (const field of Object.keys(valid[0] ?? {}).filter((name) =>
      valid.every((example) => name in example),
    )) {
      expect(message).toHaveProperty(field);
    }
  }
});

function kindOf(value: unknown): string {
  return Array.isArray(value) ? "array" : typeof value;
}
