/** What members send to each other, whatever happens to paths, sessions and servers. Whole clients, real keys. */
import { beforeEach, describe, expect, test } from "vitest";
import type { Member, MemberStream } from "../src/api.js";
import { fromHex, join } from "../src/bytes.js";
import type { SheetbendError } from "../src/errors.js";
import { type Client, World } from "./fakes/world.js";

let world: World;

beforeEach(() => {
  world = new World();
});

async function call(): Promise<[Client, Client]> {
  const [ada, bob] = await world.call(2);
  if (!ada || !bob) throw new Error("no call");
  return [ada, bob];
}

/** Two that never get a peer connection. */
async function relayed(): Promise<[Client, Client]> {
  const [ada, bob] = [world.client(), world.client()];
  for (const client of [ada, bob]) client.hasPeerConnections = false;
  await ada.join({ name: "Ada" });
  await bob.join({ name: "Bob" });
  await world.clock.advance(1000);
  return [ada, bob];
}

function setDirect(isDead: boolean, ...clients: Client[]): void {
  for (const { connections } of clients)
    for (const { channels } of connections) for (const channel of channels.values()) channel.isDead = isDead;
}

/** A small generator, so that a seed says all. */
function randomOf(seed: number): (below: number) => number {
  let state = seed * 2654435761 + 1;
  return (below) => {
    state = (Math.imul(state ^ (state >>> 15), 2246822519) + 3266489917) >>> 0;
    return (state >>> 8) % below;
  };
}

const codeOf = (error: unknown) => (error as SheetbendError).code;

describe("messages", () => {
  test("arrive from the moment a member is there, in order, as text or bytes", async () => {
    const [ada, bob] = [world.client(), world.client()];
    await ada.join({ name: "Ada" });
    ada.room.on("member", (member) => {
      void member.send("first");
      void member.send(new Uint8Array([1, 2, 3]).buffer);
    });
    const room = await bob.join({ name: "Bob" });
    room.on("member", (member) => void member.send("hello"));
    await world.clock.advance(0);
    expect(ada.heard).toEqual(["hello"]);
    expect(bob.heard).toEqual(["first", new Uint8Array([1, 2, 3])]);
    expect(bob.connections[0]?.connectionState).not.toBe("closed");
  });

  test("don't wait for a peer connection to be made", async () => {
    const [ada, bob] = [world.client(), world.client()];
    await ada.join({ name: "Ada" });
    ada.room.on("member", (member) => void member.send("first"));
    const made: number[] = [];
    world.server.meddle = (frame) => {
      made.push(ada.connections.length);
      return frame;
    };
    await bob.join({ name: "Bob" });
    await world.clock.advance(0);
    expect([bob.heard, made[0], ada.connections.length]).toEqual([["first"], 0, 1]);
  });

  test("aren't taken from who sends bundles that are too long", async () => {
    const [ada, bob] = await call();
    const pings = Array.from({ length: 4016 }, () => [0, 2, 0, 1]).flat();
    const channel = ada.connections[0]?.channels.get(1);
    channel?.send(new Uint8Array([0x11, ...pings.slice(4)]));
    await world.clock.advance(100);
    void bob.other.send("taken");
    await world.clock.advance(100);
    expect(ada.heard).toEqual(["taken"]);
    channel?.send(new Uint8Array([0x11, ...pings]));
    await world.clock.advance(100);
    expect(await bob.other.send("broken").catch(codeOf)).toBe("link_broken");
  });

  test("resolve when the member has them", async () => {
    const [ada, bob] = await call();
    setDirect(true, bob);
    world.server.meddle = () => null;
    let isThere = false;
    void ada.other.send("x").then(() => {
      isThere = true;
    });
    await world.clock.advance(5000);
    expect(isThere).toBe(false);
    world.server.meddle = (frame) => frame;
    setDirect(false, bob);
    await world.clock.advance(5000);
    expect([isThere, bob.heard]).toEqual([true, ["x"]]);
  });

  test("that may be lost come at most once, and are not kept for later", async () => {
    const [ada, bob] = await call();
    await ada.other.send("now", { reliable: false });
    await world.clock.advance(0);
    setDirect(true, ada, bob);
    world.server.meddle = () => null;
    await ada.other.send("into the void", { reliable: false });
    await world.clock.advance(5000);
    setDirect(false, ada, bob);
    world.server.meddle = (frame) => frame;
    await world.clock.advance(5000);
    expect(bob.heard).toEqual(["perhaps now"]);
  });

  test("that can't be sent are refused, and the rest goes on", async () => {
    const [ada, bob] = await call();
    for (const data of [5, null, {}, ["x"]])
      await expect(ada.other.send(data as unknown as string)).rejects.toMatchObject({
        code: "invalid_argument",
      });
    await expect(ada.other.send("x".repeat(2 ** 20 + 1))).rejects.toMatchObject({ code: "message_too_big" });
    await expect(ada.other.send("x".repeat(16_001), { reliable: false })).rejects.toMatchObject({
      code: "message_too_big",
    });
    world.server.meddle = () => null;
    setDirect(true, ada, bob);
    const sends = Array.from({ length: 12 }, () => ada.other.send("x".repeat(2 ** 20)).catch(codeOf));
    expect(await Promise.race([sends.at(-1), sends.at(-2)])).toBe("too_many_pending");
    world.server.meddle = (frame) => frame;
    setDirect(false, ada, bob);
    await world.clock.advance(20_000);
    expect(bob.heard.every((data) => data.length === 2 ** 20)).toBe(true);
    expect(bob.heard.length).toBeGreaterThan(6);
  });

  test("to a member that left are refused, and those on their way are accounted for", async () => {
    const [ada, bob] = await call();
    setDirect(true, ada, bob);
    world.server.meddle = () => null;
    const { other } = ada;
    const onWay = other.send("x").catch(codeOf);
    await bob.room.leave();
    await world.clock.advance(0);
    expect(await onWay).toBe("delivery_unknown");
    expect(await other.send("y").catch(codeOf)).toBe("member_gone");
    await ada.room.leave();
  });

  test("are copied: what one changes after sending isn't sent", async () => {
    const [ada, bob] = await relayed();
    const data = new Uint8Array([1, 2]);
    void ada.other.send(data);
    data[0] = 9;
    await world.clock.advance(100);
    expect(bob.heard).toEqual([new Uint8Array([1, 2])]);
  });
});

describe("paths", () => {
  test("the relay first, the direct one as soon as it answers, the relay again when it is silent, and back", async () => {
    const [ada, bob] = [world.client(), world.client()];
    await ada.join({ name: "Ada" });
    const paths: unknown[] = [];
    ada.room.on("member", (member) => member.on("path", (path) => paths.push(path)));
    await bob.join({ name: "Bob" });
    await world.clock.advance(2000);
    expect(paths).toEqual(["relay", "direct"]);
    setDirect(true, ada, bob);
    void ada.other.send("x");
    await world.clock.advance(1000);
    expect([ada.other.path, ada.other.connection, bob.heard]).toEqual(["relay", "connected", ["x"]]);
    setDirect(false, ada, bob);
    await world.clock.advance(5000);
    expect([ada.other.path, bob.other.path]).toEqual(["direct", "direct"]);
    expect(ada.other.rttMs).toBeTypeOf("number");
  });

  test("a silent direct path has ICE restarted, by one side", async () => {
    const [ada, bob] = await call();
    setDirect(true, ada, bob);
    void ada.other.send("x");
    await world.clock.advance(1500);
    const restarts = [ada, bob].map(
      ({ connections }) => connections[0]?.log.filter((line) => line === "restart").length,
    );
    expect(restarts).toEqual([1, 0]);
  });

  test("through a TURN server it is called so", async () => {
    const [ada] = await call();
    const stats = new Map<string, object>([
      ["t", { type: "transport", selectedCandidatePairId: "p" }],
      ["p", { type: "candidate-pair", localCandidateId: "l", remoteCandidateId: "r" }],
      ["l", { type: "local-candidate", candidateType: "host" }],
      ["r", { type: "remote-candidate", candidateType: "relay" }],
    ]);
    for (const { connections } of [ada]) for (const each of connections) each.getStats = async () => stats;
    ada.connections[0]?.sctp.transport.iceTransport.onselectedcandidatepairchange?.();
    await world.clock.advance(0);
    expect(ada.other.path).toBe("turn");
  });

  test("a page that nobody looks at answers in time", async () => {
    const [ada, bob] = await call();
    bob.isHidden = true;
    const paths: unknown[] = [];
    ada.other.on("path", (path) => paths.push(path));
    for (let second = 0; second < 10; second++) {
      void ada.other.send(`${second}`);
      await world.clock.advance(1000);
    }
    expect([paths, bob.heard.length]).toEqual([[], 10]);
    expect(ada.connections[0]?.log).not.toContain("restart");
  });

  test("without a peer connection everything goes over the relay", async () => {
    const [ada, bob] = await relayed();
    void ada.other.send("x");
    await world.clock.advance(100);
    expect([ada.other.connection, ada.other.path, bob.heard]).toEqual(["failed", "relay", ["x"]]);
  });

  test("where the server relays nothing, the direct path does", async () => {
    world.server.relays = false;
    const [ada, bob] = await call();
    void ada.other.send("x");
    await world.clock.advance(0);
    expect([ada.other.path, bob.heard]).toEqual(["direct", ["x"]]);
  });

  test("a dead connection to the server is found soon by what the relay doesn't bring", async () => {
    const [ada, bob] = await relayed();
    ada.socket.isCut = true;
    void ada.other.send("x");
    await world.clock.advance(5000);
    expect([ada.sockets.length, bob.heard]).toEqual([2, ["x"]]);
  });

  test("rates are those of about the last second", async () => {
    const [ada] = await call();
    for (let second = 0; second < 5; second++) {
      void ada.other.send("x".repeat(10_000));
      await world.clock.advance(1000);
    }
    expect(ada.other.rates.sent).toBeGreaterThan(2000);
    await world.clock.advance(60_000);
    expect(ada.other.rates.sent).toBeLessThan(200);
  });
});

describe("nothing is lost, doubled or out of order", () => {
  test.each(Array.from({ length: 30 }, (_, seed) => seed))("seed %i", async (seed) => {
    const random = randomOf(seed);
    const [ada, bob] = await (seed % 2 ? relayed() : call());
    world.server.graceMs = [0, 3000, 30_000][seed % 3] ?? 0;
    const sent = new Map<Client, string[]>([
      [ada, []],
      [bob, []],
    ]);
    const say = (client: Client) => {
      const text = `${seed}-${sent.get(client)?.length}`;
      sent.get(client)?.push(text);
      void [...client.room.members.values()][0]?.send(text);
    };
    const faults = [
      () => setDirect(true, ada, bob),
      () => setDirect(true, [ada, bob][random(2)] ?? ada),
      () => setDirect(false, ada, bob),
      () => [ada, bob][random(2)]?.socket.end(1006),
      () => Object.assign([ada, bob][random(2)]?.socket ?? {}, { isCut: true }),
      () => world.server.crash(),
      () => Object.assign(world.server, { isUp: true }),
      () => [ada, bob][random(2)]?.connections.at(-1)?.become("disconnected"),
      () => [ada, bob][random(2)]?.connections.at(-1)?.become("connected"),
    ];
    for (let step = 0; step < 60; step++) {
      if (random(4) === 0) faults[random(faults.length)]?.();
      for (const client of [ada, bob]) for (let count = random(4); count > 0; count--) say(client);
      await world.clock.advance(random(400));
    }
    world.server.isUp = true;
    setDirect(false, ada, bob);
    await world.clock.advance(40_000);
    setDirect(false, ada, bob);
    await world.clock.advance(20_000);
    expect([ada, bob].flatMap(({ events }) => events.filter((event) => /left/.test(event)))).toEqual([]);
    expect([bob.heard, ada.heard]).toEqual([sent.get(ada), sent.get(bob)]);
    expect(bob.heard.length).toBeGreaterThan(10);
  });
});

describe("beginning anew", () => {
  test("where one side has given the other up, both do, and what was on its way is accounted for", async () => {
    const [ada, bob] = await call();
    world.server.graceMs = 0;
    const { connect } = world.server;
    world.server.connect = () => Object.assign(connect.call(world.server), { open: () => {} });
    setDirect(true, ada, bob);
    for (const { connections } of [ada, bob]) connections[0]?.become("disconnected");
    const onWay = bob.other.send("lost?").catch(codeOf);
    bob.socket.end(1006);
    await world.clock.advance(6000);
    expect(ada.events).toContain("left Bob disconnect");
    world.server.connect = connect;
    await world.clock.advance(30_000);
    expect(await onWay).toBe("delivery_unknown");
    void bob.other.send("new");
    void ada.other.send("too");
    await world.clock.advance(0);
    expect([ada.heard, bob.heard]).toEqual([["new"], ["too"]]);
    expect(bob.events.filter((event) => /left/.test(event))).toEqual([]);
    expect(ada.other.safetyWords).toHaveLength(7);
    expect(bob.other.safetyWords).toEqual(ada.other.safetyWords);
  });
});

describe("sealing", () => {
  test("who has the secret of the room's link is reached, and nobody else is", async () => {
    const [ada, bob, cyn] = [world.client(), world.client(), world.client()];
    await ada.join({ name: "Ada", secret: "s3cret" });
    await bob.join({ name: "Bob", secret: "s3cret" });
    await cyn.join({ name: "Cyn", secret: "guess" });
    await world.clock.advance(3000);
    const [bobAtAda, cynAtAda] = [...ada.room.members.values()];
    for (const member of ada.room.members.values()) void member.send("for your eyes").catch(() => {});
    await world.clock.advance(3000);
    expect([bob.heard, cyn.heard]).toEqual([["for your eyes"], []]);
    expect([bobAtAda?.path, cynAtAda?.path]).toEqual(["direct", null]);
    expect([bobAtAda?.sealing, bobAtAda?.connection, cynAtAda?.connection]).toEqual([
      "secret",
      "connected",
      "failed",
    ]);
    expect(ada.events.filter((event) => /error/.test(event))).toEqual([
      expect.stringMatching(/error \w+_refused/),
    ]);
  });

  test("a member without a key isn't reached in a room with a secret, nor sent to in one without", async () => {
    const ada = world.client();
    await ada.join({ name: "Ada", secret: "s3cret" });
    world.hasKeys = false;
    const bob = world.client();
    await bob.join({ name: "Bob" });
    await world.clock.advance(3000);
    expect([ada.other.connection, ada.other.sealing, ada.connections.length]).toEqual(["failed", null, 0]);
    await expect(ada.other.send("x")).rejects.toMatchObject({ code: "sealing_unavailable" });
    expect(() => bob.other.stream()).toThrow(expect.objectContaining({ code: "sealing_unavailable" }));
    await expect(world.client().join({ secret: "s3cret" })).rejects.toMatchObject({
      code: "sealing_unavailable",
    });
    await expect(world.client().join({ secret: "" })).rejects.toMatchObject({ code: "invalid_argument" });
  });

  test("a server that alters, repeats, drops or reflects frames gets nothing through", async () => {
    const [ada, bob] = await relayed();
    const random = randomOf(1);
    world.server.meddle = (frame) => {
      const count = random(8);
      if (count === 0) frame[40] = (frame[40] ?? 0) ^ 1;
      if (count === 1) bob.socket.bring(frame.slice());
      if (count === 2) {
        const asIfBobs = join(frame.subarray(0, 9), fromHex(bob.room.self.userId), frame.subarray(25));
        ada.socket.bring(asIfBobs);
      }
      return count === 3 ? null : frame;
    };
    const texts = Array.from({ length: 50 }, (_, index) => `${index}`);
    for (const text of texts) {
      void ada.other.send(text);
      await world.clock.advance(20);
    }
    await world.clock.advance(30_000);
    expect([ada.heard, bob.heard]).toEqual([[], texts]);
    expect([...ada.events, ...bob.events].filter((event) => /error/.test(event))).toEqual([]);
  });

  test("nobody else's frames are taken for a member's", async () => {
    const [ada, bob, mallory] = await world.call(3);
    if (!ada || !bob || !mallory) throw new Error("no call");
    const frames = bob.socket.frames.map((frame) => frame.slice());
    for (const frame of frames) ada.socket.bring(new Uint8Array(frame));
    ada.socket.bring(new Uint8Array(3));
    ada.socket.bring(new Uint8Array(100));
    await world.clock.advance(1000);
    expect(ada.heard).toEqual([]);
    const [bobAtAda] = [...ada.room.members.values()];
    void bobAtAda?.send("still here");
    await world.clock.advance(0);
    expect(bob.heard).toEqual(["still here"]);
  });
});

describe("safety words", () => {
  test("are the same on both sides, and told once", async () => {
    const [ada, bob] = [world.client(), world.client()];
    const told: (readonly number[])[] = [];
    for (const client of [ada, bob]) {
      const room = await client.join({ name: "Somebody" });
      room.on("member", (member) => member.on("safetywords", (words) => told.push(words)));
    }
    await world.clock.advance(3000);
    const words = ada.other.safetyWords;
    expect(words).toHaveLength(7);
    expect(bob.other.safetyWords).toEqual(words);
    expect(told).toEqual([words, words]);
  });

  test("have a stream that applications can't open", async () => {
    const [ada] = await call();
    expect(() => ada.other.stream("sheetbend:words")).toThrow(
      expect.objectContaining({ code: "invalid_label" }),
    );
  });
});

describe("streams", () => {
  async function opened(): Promise<[MemberStream, MemberStream, Client]> {
    const [ada, bob] = await call();
    const theirs = new Promise<MemberStream>((resolve) => bob.other.on("stream", resolve));
    const ours = ada.other.stream("file");
    await world.clock.advance(0);
    return [ours, await theirs, bob];
  }

  async function readAll(stream: MemberStream): Promise<number> {
    let size = 0;
    for await (const chunk of stream.readable as unknown as AsyncIterable<Uint8Array>) size += chunk.length;
    return size;
  }

  test.each([262_143, 262_144, 300_000, 524_288, 3_000_000])(
    "take %i bytes in one write, and are done with it",
    async (size) => {
      const [ours, theirs] = await opened();
      const writer = ours.writable.getWriter();
      const read = readAll(theirs);
      const written = writer.write(new Uint8Array(size)).then(() => writer.close());
      await world.clock.advance(1000);
      await written;
      expect(await read).toBe(size);
    },
  );

  test("carry bytes both ways, and end", async () => {
    const [ours, theirs] = await opened();
    expect(theirs.label).toBe("file");
    const [there, back] = [ours.writable.getWriter(), theirs.writable.getWriter()];
    const sizes = Promise.all([readAll(theirs), readAll(ours)]);
    void there.write(new Uint8Array(100_000));
    void back.write(new Uint8Array(7).buffer);
    void Promise.all([there.close(), back.close()]);
    for (let turn = 0; turn < 10; turn++) await world.clock.advance(20);
    expect(await sizes).toEqual([100_000, 7]);
  });

  test("make the writer wait for the reader", async () => {
    const [ours, theirs] = await opened();
    const writer = ours.writable.getWriter();
    let written = 0;
    void (async () => {
      for (; written < 100; written++) await writer.write(new Uint8Array(65_536));
    })();
    await world.clock.advance(5000);
    const stuckAt = written;
    expect(stuckAt).toBeLessThan(12); // what is on its way, what waits on both sides
    const reader = theirs.readable.getReader();
    for (let read = 0; read < 2_000_000; ) {
      read += (await reader.read()).value?.length ?? 0;
      await world.clock.advance(1);
    }
    expect(written).toBeGreaterThan(stuckAt + 20);
  });

  test("tell the writer that the reader wants no more, and the reader that the writer gave up", async () => {
    const [ours, theirs] = await opened();
    const failed = ours.writable.getWriter().closed.catch(codeOf);
    await theirs.readable.cancel();
    await world.clock.advance(100);
    expect(await failed).toBe("stream_stopped");
    const reader = ours.readable.getReader();
    const read = reader.read().catch(codeOf);
    await theirs.writable.abort();
    await world.clock.advance(100);
    expect(await read).toBe("stream_reset");
  });

  test("are refused where nobody listens", async () => {
    const [ada] = await call();
    const stream = ada.other.stream();
    const failed = stream.writable.getWriter().closed.catch(codeOf);
    await world.clock.advance(100);
    expect(await failed).toBe("stream_stopped");
  });

  test("err when the member is lost", async () => {
    const [ours, , bob] = await opened();
    const read = ours.readable.getReader().read().catch(codeOf);
    await bob.room.leave();
    await world.clock.advance(0);
    expect(await read).toBe("delivery_unknown");
    await ours.writable
      .getWriter()
      .write(new Uint8Array(1))
      .then(
        () => expect.unreachable(),
        (error) => expect(codeOf(error)).toBe("delivery_unknown"),
      );
  });

  test("take bytes alone", async () => {
    const [ours] = await opened();
    const writer = ours.writable.getWriter();
    await expect(writer.write("text" as unknown as ArrayBuffer)).rejects.toMatchObject({
      code: "invalid_argument",
    });
  });
});

test("leaving in the middle of it all leaves nothing behind", async () => {
  const [ada, bob] = await call();
  const member: Member = ada.other;
  const codes = [member.send("x"), member.send("y".repeat(500_000))].map((sent) => sent.catch(codeOf));
  member.stream("s");
  await ada.room.leave();
  await world.clock.advance(0);
  expect(await Promise.all(codes)).toEqual(["delivery_unknown", "delivery_unknown"]);
  expect(await member.send("z").catch(codeOf)).toBe("closed");
  await bob.room.leave();
  await world.clock.advance(0);
  expect(world.clock.pending).toBe(0);
});
