/** What was said before one came, and while one was away for longer than the session lived. */
import { beforeEach, expect, test } from "vitest";
import type { RoomMessage } from "../src/api.js";
import { type Client, World } from "./fakes/world.js";

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

/** Ends the session of a client that can't be reached; `meanwhile` runs before it is back. */
async function loseSession(client: Client, meanwhile: () => unknown): Promise<void> {
  client.isOnline = false;
  client.socket.end(1006);
  meanwhile();
  await world.clock.advance(31_000);
  client.isOnline = true;
  await world.clock.advance(15_000);
}

const texts = (client: Client) => client.events.filter((event) => /^(message|gap)/.test(event));

test("who comes later finds what was said before", async () => {
  await ada.room.send("one");
  await bob.room.send("two");
  await bob.room.leave();
  await world.clock.advance(0);
  const cyn = world.client();
  const room = await cyn.join({ name: "Cyn" });
  await world.clock.advance(100);
  const formerly = { userId: bob.room.self.userId, name: "Bob" };
  expect(room.history.messages.map(({ data, own, epoch }) => [data, own, epoch])).toEqual([
    ["one", false, "e1"],
    ["two", false, "e1"],
  ]);
  expect(room.history.messages.map(({ sender }) => sender)).toEqual([cyn.other, formerly]);
  expect(room.history.complete).toBe(true);
  expect(texts(cyn)).toEqual([]);
});

test("a history that has lost its beginning says so", async () => {
  world.server.historyComplete = false;
  expect((await world.client().join()).history.complete).toBe(false);
});

test.each([false, true])(
  "what was missed is told in order, once, behind the gap (whole history: %s)",
  async (whole) => {
    world.server.ignoresSince = whole;
    await bob.room.send("before");
    await loseSession(ada, async () => {
      await bob.room.send("missed 1");
      await bob.room.send("missed 2");
    });
    await bob.room.send("after");
    await world.clock.advance(0);
    expect(texts(ada)).toEqual([
      'message "before"',
      "gap true",
      'message "missed 1"',
      'message "missed 2"',
      'message "after"',
    ]);
    expect(ada.events.filter((event) => /member|left/.test(event))).toEqual([]);
  },
);

test("who leaves on hearing of the gap hears no more", async () => {
  ada.room.on("gap", () => ada.room.leave());
  await loseSession(ada, () => void bob.room.send("missed"));
  expect(ada.events.at(-1)).toBe("closed 1000");
});

test("a gap that the history can't fill is said", async () => {
  await loseSession(ada, () => {
    world.server.historyComplete = false;
    void bob.room.send("missed");
  });
  expect(texts(ada)).toEqual(["gap false", 'message "missed"']);
});

test.each([false, true])("so is one in a room that was made anew (whole history: %s)", async (whole) => {
  world.server.ignoresSince = whole;
  await loseSession(ada, () => world.server.forget());
  expect(texts(ada)).toEqual(["gap false"]);
});

test("a message found in the history was accepted; one's own messages stay one's own", async () => {
  const seen: RoomMessage[] = [];
  ada.room.on("message", (message) => seen.push(message));
  const sent = ada.room.send("maybe");
  ada.socket.isCut = true; // The server has it; its answer is lost.
  await loseSession(ada, () => {});
  expect(await sent).toEqual({ offset: 3, epoch: "e1" });
  expect(seen).toMatchObject([{ data: "maybe", own: true, sender: ada.room.self }]);
  expect(bob.events.filter((event) => event.startsWith("message"))).toEqual(['message "maybe"']);
});

test("one that a complete history doesn't have is sent again, in its place", async () => {
  ada.socket.isCut = true;
  const first = ada.room.send("first");
  await loseSession(ada, () => void ada.room.send("second"));
  await first;
  expect(texts(bob)).toEqual(['message "first"', 'message "second"']);
});

test("and before what was said later, also where the call has to be made anew", async () => {
  world = new World();
  world.server.loses = ({ type }) => type === "answer";
  [ada, bob] = [world.client(), world.client()];
  await ada.join({ name: "Ada" });
  await bob.join({ name: "Bob" });
  await world.clock.advance(100);
  ada.socket.isCut = true;
  const first = ada.room.send("first");
  await loseSession(ada, () => void ada.room.send("second"));
  await first;
  expect(texts(bob)).toEqual(['message "first"', 'message "second"']);
});

test("somebody else's message with the same id isn't taken for one's own", async () => {
  ada.socket.isCut = true;
  const sent = ada.room.send("mine");
  const id = ada.socket.sent.at(-1)?.id;
  await loseSession(ada, () => {
    const said = { type: "message", roomId: "demo", data: "theirs", id };
    world.server.receive(bob.socket, said);
  });
  await sent;
  expect(texts(bob)).toEqual(['message "theirs"', 'message "mine"']);
});

test.each(["incomplete", "made anew"])(
  "one that a history which is %s can't tell of is lost track of",
  async (how) => {
    ada.socket.isCut = true;
    const sent = ada.room.send("maybe");
    const failed = expect(sent).rejects.toMatchObject({ code: "delivery_unknown", retryable: true });
    await loseSession(ada, () => {
      if (how === "made anew") world.server.forget();
      else world.server.historyComplete = false;
    });
    await failed;
  },
);

test("so is one to some members, once it was sent; what waited goes out to them", async () => {
  ada.socket.isCut = true;
  const options = { to: [ada.other] };
  const failed = expect(ada.room.send("sent", options)).rejects.toMatchObject({ code: "delivery_unknown" });
  let waiting: Promise<object> | undefined;
  await loseSession(ada, () => {
    waiting = ada.room.send("waiting", options);
  });
  await failed;
  expect(await waiting).toMatchObject({ epoch: "e1" });
  expect(texts(bob)).toEqual(['message "waiting"']);
});

test("missed messages are said by whom they were said by, also if that one has another id now", async () => {
  const keyOfBob = ada.other.key;
  const senders: unknown[] = [];
  ada.room.on("message", ({ sender, data }) => senders.push([data, "key" in sender ? sender.key : sender]));
  ada.isOnline = bob.isOnline = false;
  ada.socket.end(1006);
  await bob.room.send("old id");
  bob.socket.end(1006);
  await world.clock.advance(31_000);
  ada.isOnline = bob.isOnline = true;
  await world.clock.advance(30_000);
  await bob.room.send("new id");
  await world.clock.advance(0);
  expect(senders).toEqual([
    ["old id", keyOfBob],
    ["new id", keyOfBob],
  ]);
});

test("an event that comes twice is told once", async () => {
  await bob.room.send("once");
  const message = {
    type: "message",
    roomId: "demo",
    offset: 3,
    sender: bob.room.self.userId,
    data: "again",
    time: 1,
  };
  ada.socket.hear(JSON.stringify(message));
  expect(texts(ada)).toEqual(['message "once"']);
});

test.each(["room_full", "rate_limited"])(
  "a room that says %s when one comes back is asked again",
  async (code) => {
    const refuse = (socket: typeof ada.socket) => {
      const ref = socket.sent.find(({ type }) => type === "join")?.ref;
      socket.hear(JSON.stringify({ type: "error", code, message: "", retryable: true, retryAfterS: 7, ref }));
    };
    world.server.loses = ({ type }) => type === "join";
    world.server.forget();
    ada.socket.end(1006);
    await world.clock.advance(1000);
    refuse(ada.socket);
    world.server.loses = () => false;
    await world.clock.advance(6900);
    expect(ada.room.state).toBe("reconnecting");
    await world.clock.advance(200);
    expect(ada.room.state).toBe("connected");
    expect(ada.connections).toHaveLength(1);
  },
);

test("a room that is locked when one comes back is the end", async () => {
  await loseSession(ada, () => {
    world.server.access = "locked";
  });
  expect(ada.events.slice(-2)).toEqual(["closed", "closed 1000"]);
});
