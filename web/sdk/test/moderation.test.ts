/** Who may do what: rights, lobby, mute and removal. */
import { beforeEach, expect, test } from "vitest";
import type { Room } from "../src/api.js";
import { type Client, fakeStream, fakeTrack, World } from "./fakes/world.js";

let world: World;
let ada: Client;
let bob: Client;

beforeEach(async () => {
  world = new World();
  world.server.areAllModerators = false;
  world.server.grants = ["publish", "subscribe", "message", "moderate"];
  ada = world.client();
  await ada.join({ name: "Ada" });
  world.server.grants = ["publish", "subscribe", "message"];
  bob = world.client();
  await bob.join({ name: "Bob" });
  await world.clock.advance(2000);
  ada.events.length = bob.events.length = 0;
});

/** Somebody at the door, who waits. */
async function knock(name = "Cyn"): Promise<{ client: Client; joined: Promise<Room>; userId: string }> {
  await ada.room.setAccess("lobby");
  const client = world.client();
  const joined = client.join({ name, onWaiting: () => client.events.push("waiting") });
  joined.catch(() => {});
  await world.clock.advance(100);
  const [waiting] = ada.room.lobby.values();
  return { client, joined, userId: waiting?.userId ?? "" };
}

test("everybody sees what they may do, and what others may", () => {
  expect([...ada.room.self.can].sort()).toEqual(["message", "moderate", "publish", "subscribe"]);
  expect([...bob.room.self.can].sort()).toEqual(["message", "publish", "subscribe"]);
  expect([ada.other.can.has("moderate"), bob.other.can.has("moderate")]).toEqual([false, true]);
  expect([ada.other.muted, ada.other.subject]).toEqual([false, null]);
});

test("everybody hears who may enter", async () => {
  await ada.room.setAccess("locked");
  await world.clock.advance(0);
  expect([ada.room.access, bob.room.access]).toEqual(["locked", "locked"]);
  expect(bob.events).toEqual(["access locked"]);
  await expect(world.client().join()).rejects.toMatchObject({ code: "room_locked", retryable: true });
});

test("without the right the server refuses", async () => {
  await expect(bob.room.setAccess("locked")).rejects.toMatchObject({ code: "not_allowed" });
  await expect(bob.room.remove(bob.other)).rejects.toMatchObject({ code: "not_allowed" });
});

test("who is let in from the lobby is in the room", async () => {
  const { client, joined, userId } = await knock();
  expect(client.events).toEqual(["waiting"]);
  expect([...ada.room.lobby.values()]).toEqual([{ userId, name: "Cyn", attributes: {}, subject: null }]);
  await ada.room.admit(userId);
  expect((await joined).self.name).toBe("Cyn");
  await world.clock.advance(100);
  expect(ada.events).toEqual(["access lobby", "knock Cyn", "member Cyn", "knockended Cyn"]);
  expect(ada.room.lobby.size).toBe(0);
  await expect(ada.room.admit(userId)).rejects.toMatchObject({ code: "not_waiting" });
});

test("who is sent away isn't", async () => {
  const { joined, userId } = await knock();
  await ada.room.reject(userId);
  await expect(joined).rejects.toMatchObject({ code: "not_admitted", retryable: false });
});

test("waiting survives a loss of connection and a lost session, and can be given up", async () => {
  const { client, joined } = await knock();
  client.socket.end(1006);
  await world.clock.advance(1000);
  world.server.graceMs = 0;
  client.socket.end(1006);
  await world.clock.advance(1000);
  expect(client.events).toEqual(["waiting", "waiting"]);
  const [waiting] = ada.room.lobby.values();
  await ada.room.admit(waiting?.userId ?? "");
  expect((await joined).state).toBe("connected");
  const controller = new AbortController();
  const other = world.client();
  const aborted = other.join({ signal: controller.signal });
  await world.clock.advance(0);
  controller.abort();
  await expect(aborted).rejects.toMatchObject({ code: "aborted" });
  await world.clock.advance(0);
  expect(ada.room.lobby.size).toBe(0);
});

test("a moderator who comes finds who waits; one who isn't any more forgets them", async () => {
  const { userId } = await knock();
  world.server.access = "open";
  world.server.grants = ["publish", "subscribe", "message", "moderate"];
  const dan = world.client();
  await dan.join({ name: "Dan" });
  await world.clock.advance(100);
  expect([...dan.room.lobby.keys()]).toEqual([userId]);
  expect(dan.events).toContain("knock Cyn");
  world.server.grant(dan.room.self.userId, ["message"]);
  await world.clock.advance(0);
  expect([dan.room.lobby.size, dan.events.at(-1)]).toEqual([0, "knockended Cyn"]);
});

test("muting is seen by all, and takes words; media is asked for", async () => {
  const selves: boolean[] = [];
  bob.room.on("self", ({ muted }) => selves.push(muted));
  await ada.room.mute(ada.other, { messages: true, media: ["audio"] });
  await world.clock.advance(0);
  expect([ada.other.muted, bob.room.self.muted, selves]).toEqual([true, true, [true]]);
  await ada.room.mute(ada.other, { messages: false });
  await ada.room.mute(ada.other, { media: ["video"] });
  await world.clock.advance(0);
  expect([ada.other.muted, bob.room.self.muted]).toEqual([false, false]);
  expect(bob.events).toEqual(["muterequested audio Ada", "muterequested video Ada"]);
  await expect(ada.room.mute(ada.other, {})).rejects.toMatchObject({ code: "invalid_argument" });
});

test("who is put out is told so, and is gone for the others at once", async () => {
  let code = "";
  bob.room.on("closed", ({ error }) => {
    code = error?.code ?? "";
  });
  const gone = ada.other;
  await ada.room.remove(gone);
  await world.clock.advance(0);
  expect([code, bob.room.state, bob.live]).toEqual(["removed", "closed", 0]);
  expect(ada.events).toEqual(["left Bob removed"]);
  expect(ada.live).toBe(0);
  await expect(ada.room.remove(gone)).rejects.toMatchObject({ code: "target_not_found" });
});

test("a moderator's answer isn't taken for that of another who asked at the same time", async () => {
  world.server.grant(bob.room.self.userId, ["moderate"]);
  await world.clock.advance(0);
  const asked = [ada.room.setAccess("lobby"), bob.room.setAccess("locked")];
  const refs = [ada, bob].map(({ socket }) => socket.sent.at(-1)?.ref);
  expect(new Set(refs).size).toBe(2);
  await Promise.all(asked);
});

test("without publish nothing is published, and tracks that come all the same are not taken", async () => {
  world.server.grant(bob.room.self.userId, ["subscribe"]);
  await world.clock.advance(0);
  await expect(bob.room.publish(fakeStream("s", fakeTrack()))).rejects.toMatchObject({ code: "not_allowed" });
  const tracks: string[] = [];
  ada.other.on("track", (_track, stream) => tracks.push(stream.id));
  const connection = ada.connections[0];
  connection?.addTransceiver("video");
  const [transceiver] = connection?.transceivers ?? [];
  connection?.ontrack?.({ track: fakeTrack(), streams: [fakeStream("x")], transceiver });
  expect([tracks, ada.other.streams.size, transceiver?.direction]).toEqual([[], 0, "sendonly"]);
  world.server.grant(bob.room.self.userId, ["subscribe", "publish"]);
  await world.clock.advance(0);
  expect(transceiver?.direction).toBe("sendrecv");
  connection?.ontrack?.({ track: fakeTrack(), streams: [fakeStream("y")], transceiver });
  expect(tracks).toEqual(["y"]);
});

test("whoever loses the right stops sending, and is shown no more", async () => {
  await bob.room.publish(fakeStream("s", fakeTrack()));
  const removed: string[] = [];
  ada.other.on("streamremoved", (stream) => removed.push(stream.id));
  const connection = ada.connections[0];
  const transceiver = connection?.addTransceiver("video");
  if (transceiver) transceiver.direction = "recvonly";
  connection?.ontrack?.({ track: fakeTrack(), streams: [fakeStream("r")], transceiver });
  await world.clock.advance(0);
  const sent = () => bob.connections[0]?.transceivers.filter(({ sender }) => sender.track).length;
  expect([sent(), ada.other.streams.size]).toEqual([1, 1]);
  world.server.grant(bob.room.self.userId, ["subscribe"]);
  await world.clock.advance(0);
  expect([sent(), ada.other.streams.size, removed, transceiver?.direction]).toEqual([
    0,
    0,
    ["r"],
    "inactive",
  ]);
  world.server.grant(bob.room.self.userId, ["subscribe", "publish"]);
  await world.clock.advance(0);
  expect([sent(), transceiver?.direction]).toEqual([1, "recvonly"]);
});

test("a member without subscribe is given nothing, until it may have it", async () => {
  world.server.grants = ["message"];
  const cyn = world.client();
  await cyn.join({ name: "Cyn" });
  await world.clock.advance(2000);
  const track = fakeTrack();
  const publication = await ada.room.publish(fakeStream("s", track));
  publication.addTrack(fakeTrack());
  await world.clock.advance(0);
  const given = () =>
    ada.connections.map(({ transceivers }) => transceivers.filter(({ sender }) => sender.track).length);
  expect(given()).toEqual([2, 0]);
  world.server.grant(cyn.room.self.userId, ["subscribe"]);
  await world.clock.advance(0);
  expect(given()).toEqual([2, 2]);
});
