import { beforeEach, expect, test } from "vitest";
import type { RoomMessage } from "../src/api.js";
import { type Client, fakeStream, fakeTrack, World } from "./fakes/world.js";

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

test("members already there are announced, once the application could listen", async () => {
  const cyn = world.client();
  const wrapped = async () => (async () => cyn.join({ name: "Cyn" }))();
  const room = await wrapped();
  const seen: string[] = [];
  room.on("member", ({ name }) => seen.push(name));
  await world.clock.advance(0);
  expect(seen).toEqual(["Ada", "Bob"]);
});

test("a message settles with its offset and reaches everyone in one order", async () => {
  const offsets = Promise.all([ada.room.send("one"), ada.room.send("two"), bob.room.send("three")]);
  await world.clock.advance(0);
  expect((await offsets).map(({ epoch }) => epoch)).toEqual(["e1", "e1", "e1"]);
  const [one, two, three] = (await offsets).map(({ offset }) => offset);
  expect([two, three]).toEqual([Number(one) + 1, Number(one) + 2]);
  expect(ada.events).toEqual(['message "one"', 'message "two"', 'message "three"']);
  expect(bob.events).toEqual(ada.events);
});

test("a message says who sent it, who it is for, and whether it is one's own", async () => {
  const seen: RoomMessage[] = [];
  for (const { room } of [ada, bob]) room.on("message", (message) => seen.push(message));
  void ada.room.send({ n: 1 }, { to: [ada.other] });
  await world.clock.advance(0);
  seen.sort((message, other) => Number(other.own) - Number(message.own));
  const message = { data: { n: 1 }, offset: 3, epoch: "e1", time: 1003 };
  expect(seen).toEqual([
    { ...message, sender: ada.room.self, own: true, to: [ada.other] },
    { ...message, sender: bob.other, own: false, to: [bob.room.self] },
  ]);
});

test("a message that can't be sent is refused at once", async () => {
  await expect(ada.room.send("x".repeat(70_000))).rejects.toMatchObject({ code: "message_too_big" });
  await expect(ada.room.send("x", { to: [] })).rejects.toMatchObject({ code: "invalid_argument" });
  const gone = ada.other;
  await bob.room.leave();
  await world.clock.advance(0);
  await expect(ada.room.send("x", { to: [gone] })).rejects.toMatchObject({
    code: "target_not_found",
    retryable: true,
  });
});

test("what is sent while reconnecting goes out afterwards, also to members by name", async () => {
  world.server.crash();
  expect(ada.events).toEqual(["reconnecting"]);
  const sent = [ada.room.send("all"), ada.room.send("you", { to: [ada.other] })];
  await world.clock.advance(1000);
  world.server.isUp = true;
  await world.clock.advance(20_000);
  expect(await Promise.all(sent)).toHaveLength(2);
  expect(ada.room.state).toBe("connected");
});

test("a loss of connection that the session survives changes nothing but the state", async () => {
  const { userId } = ada.room.self;
  ada.socket.isCut = true;
  const sent = ada.room.send("to all");
  void bob.room.send("meanwhile");
  ada.socket.end(1006);
  const later = ada.room.send("later");
  await world.clock.advance(1000);
  expect((await later).offset).toBe((await sent).offset + 1);
  expect(ada.events).toEqual([
    "reconnecting",
    "connected",
    'message "meanwhile"',
    'message "to all"',
    'message "later"',
  ]);
  expect(bob.events).toEqual(ada.events.slice(2));
  expect([ada.room.self.userId, bob.other.userId]).toEqual([userId, userId]);
  expect([ada.connections.length, bob.connections.length]).toEqual([1, 1]);
});

test("a message of which only the answer was lost is accepted once", async () => {
  const sent = ada.room.send("once");
  ada.socket.isCut = true; // The server has it; its answer is lost.
  ada.socket.end(1006);
  await world.clock.advance(1000);
  await sent;
  expect(bob.events).toEqual(['message "once"']);
});

test("one's own message that comes back is as good as accepted", async () => {
  world.server.withholds = (message) => "epoch" in message;
  const sent = ada.room.send("hi");
  await world.clock.advance(0);
  expect(await sent).toEqual({ offset: 3, epoch: "e1" });
});

test("name and attributes set by update are still there after a reconnect", async () => {
  const updated = ada.room.update({ name: "Ada L.", attributes: { mic: true } });
  await world.clock.advance(0);
  await updated;
  expect(ada.room.self).toMatchObject({ name: "Ada L.", attributes: { mic: true } });
  expect(bob.other).toMatchObject({ name: "Ada L.", attributes: { mic: true } });
  world.server.crash();
  const late = ada.room.update({ attributes: { hand: true } });
  world.server.isUp = true;
  await world.clock.advance(20_000);
  await late;
  expect(bob.other).toMatchObject({ name: "Ada L.", attributes: { mic: true, hand: true } });
});

test("a refusal settles the promise it belongs to; one without a promise is an event", async () => {
  world.server.isSilent = true;
  const refused = ada.room.update({ name: "\u0007" });
  const ref = ada.socket.sent.at(-1)?.ref;
  const error = { type: "error", code: "invalid_name", message: "no", retryable: false };
  ada.socket.hear(JSON.stringify({ ...error, ref }));
  await expect(refused).rejects.toMatchObject({ code: "invalid_name", retryable: false, message: "no" });
  ada.socket.hear(JSON.stringify({ ...error, code: "of_a_newer_server" }));
  ada.socket.hear(JSON.stringify({ ...error, code: "target_not_found", ref: "signal" }));
  expect(ada.events).toEqual(["error of_a_newer_server"]);
});

test("messages of somebody who may be an old acquaintance wait, and keep the room's order", async () => {
  const keyOfBob = ada.other.key;
  const senders: string[] = [];
  ada.room.on("message", ({ sender, data }) =>
    senders.push(`${"key" in sender ? sender.key : "self"} ${data}`),
  );
  const held: Uint8Array<ArrayBuffer>[] = [];
  const { socket } = ada;
  const bring = socket.bring.bind(socket);
  socket.bring = (frame) => void held.push(frame);
  const deliver = socket.deliver.bind(socket);
  socket.deliver = (message) => JSON.stringify(message).includes('"tag"') || deliver(message);
  world.server.graceMs = 0;
  bob.socket.end(1006);
  await world.clock.advance(500);
  void bob.room.send("back");
  void ada.room.send("mine");
  await world.clock.advance(50);
  expect(senders).toEqual([]);
  for (const frame of held) bring(frame);
  await world.clock.advance(0);
  expect(senders).toEqual([`${keyOfBob} back`, "self mine"]);
});

test("publishing reaches those who are there and those who come, with its label", async () => {
  const screen = fakeStream("screen-stream", fakeTrack());
  await ada.room.publish(screen, { label: "screen" });
  await world.clock.advance(0);
  expect(ada.connections[0]?.log).toContain("add track");
  const offer = ada.socket.sent.filter(({ type }) => type === "offer").at(-1);
  expect(offer?.sdp).toMatchObject({ type: "offer", streams: { "screen-stream": "screen" } });
  await world.client().join({ name: "Cyn" });
  await world.clock.advance(2000);
  expect(ada.connections[1]?.log).toContain("add track");
});

test("a publication keeps its stream and every peer connection in step", async () => {
  const [first, second, third] = [fakeTrack(), fakeTrack(), fakeTrack()];
  const stream = fakeStream("s", first);
  const publication = await ada.room.publish(stream);
  const sent = () => ada.connections[0]?.transceivers.map(({ sender }) => sender.track).filter(Boolean);
  publication.addTrack(second);
  expect([stream.getTracks(), sent()]).toEqual([
    [first, second],
    [first, second],
  ]);
  await publication.replaceTrack(first, third);
  expect([stream.getTracks(), sent()]).toEqual([
    [second, third],
    [third, second],
  ]);
  publication.removeTrack(second);
  expect([stream.getTracks(), sent()]).toEqual([[third], [third]]);
  publication.unpublish();
  publication.unpublish();
  expect([stream.getTracks(), sent(), ada.room.publications]).toEqual([[third], [], []]);
});

test("what can't be published is refused", async () => {
  const track = fakeTrack();
  const stream = fakeStream("s", track);
  const publication = await ada.room.publish(stream);
  const invalid = { code: "invalid_argument" };
  await expect(ada.room.publish(stream)).rejects.toMatchObject(invalid);
  await expect(ada.room.publish(fakeStream("t", track))).rejects.toMatchObject(invalid);
  await expect(ada.room.publish(fakeStream("u"), { label: "" })).rejects.toMatchObject(invalid);
  await expect(publication.replaceTrack(fakeTrack(), fakeTrack())).rejects.toMatchObject(invalid);
  await expect(publication.replaceTrack(track, fakeTrack("audio"))).rejects.toMatchObject(invalid);
  for (let index = 1; index < 16; index++) await ada.room.publish(fakeStream(`${index}`));
  await expect(ada.room.publish(fakeStream("17th"))).rejects.toMatchObject(invalid);
});

test("a remote stream comes with its tracks and goes with its last", async () => {
  const seen: string[] = [];
  const tracks = [fakeTrack("audio"), fakeTrack("video")];
  const stream = fakeStream("remote", ...tracks);
  ada.other.on("track", (track, { id }, label) => seen.push(`${track.kind} ${id} ${label}`));
  ada.other.on("streamremoved", ({ id }, label) => seen.push(`removed ${id} ${label}`));
  for (const track of tracks) ada.connections[0]?.ontrack?.({ track, streams: [stream] });
  expect(ada.other.streams.get("remote")).toEqual({ stream, label: "camera" });
  for (const track of tracks) {
    stream.removeTrack(track);
    stream.dispatchEvent(new Event("removetrack"));
  }
  expect(seen).toEqual(["audio remote camera", "video remote camera", "removed remote camera"]);
  expect(ada.other.streams.size).toBe(0);
});

test("a member shows 16 streams at most", () => {
  for (let index = 0; index < 20; index++) {
    ada.connections[0]?.ontrack?.({ track: fakeTrack(), streams: [fakeStream(`${index}`)] });
  }
  expect(ada.other.streams.size).toBe(16);
});

test("a page that goes for good says goodbye", async () => {
  bob.leavePage();
  await world.clock.advance(0);
  expect(ada.events).toEqual(["left Bob leave"]);
});

test("leaving is final, and says so once", async () => {
  const pending = ada.room.send("x");
  await Promise.all([ada.room.leave(), ada.room.leave()]);
  await expect(pending).rejects.toMatchObject({ code: "closed" });
  expect(ada.events).toEqual(["closed", "closed 1000"]);
  await expect(ada.room.send("x")).rejects.toMatchObject({ code: "closed" });
  await expect(ada.room.update({})).rejects.toMatchObject({ code: "closed" });
  await expect(ada.room.publish(fakeStream("s"))).rejects.toMatchObject({ code: "closed" });
});

test("a final close code ends the room with an error", async () => {
  ada.socket.end(4000);
  expect(ada.events).toEqual(["closed", "closed 4000"]);
  expect(ada.room.state).toBe("closed");
  expect(ada.live).toBe(0);
});

test("ICE servers are used as they come, at the host by which the server is known", async () => {
  world.server.iceServers = [{ urls: ["stun:{host}:8080"] }];
  const cyn = world.client();
  await cyn.join({ name: "Cyn" });
  await world.clock.advance(2000);
  const used = () => cyn.connections.map(({ configuration }) => configuration.iceServers);
  expect(used()).toEqual(Array(2).fill([{ urls: ["stun:test:8080"] }]));
  const turn = { urls: ["turn:{host}:3478?transport=udp", "turn:192.0.2.1"], username: "u", credential: "c" };
  cyn.socket.deliver({ type: "ice-servers", iceServers: [turn] });
  await world.clock.advance(0);
  const told = [{ ...turn, urls: ["turn:test:3478?transport=udp", "turn:192.0.2.1"] }];
  expect(used()).toEqual(Array(2).fill(told));
  const dan = world.client();
  await dan.join({ name: "Dan" });
  await world.clock.advance(2000);
  expect(used()).toEqual(Array(3).fill(told));
});

test("ICE servers of the application stay", async () => {
  const own = [{ urls: "stun:192.0.2.9" }];
  const cyn = world.client();
  await cyn.join({ name: "Cyn", iceServers: own });
  cyn.socket.deliver({ type: "ice-servers", iceServers: [{ urls: ["stun:{host}"] }] });
  await world.clock.advance(2000);
  for (const { configuration } of cyn.connections) expect(configuration.iceServers).toEqual(own);
});
