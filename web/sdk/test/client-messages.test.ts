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
  await world.clock.advance(1000);
  await ada.room.leave();
  for (const { sockets } of [ada, bob]) sent.push(...sockets.flatMap((socket) => socket.sent));
});

test.each(["hello", "join", "message", "update", "offer", "answer", "ice-candidate", "bye"])(
  "%s is as in the protocol",
  (type) => {
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
  },
);

function kindOf(value: unknown): string {
  return Array.isArray(value) ? "array" : typeof value;
}
