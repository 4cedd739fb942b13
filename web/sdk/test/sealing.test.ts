/** Sealing against the vectors that both languages are held to, and what is the browser's own: order, and being there. */
import { readFileSync } from "node:fs";
import { afterEach, describe, expect, test, vi } from "vitest";
import { SAFETY_WORDS } from "../src/safety-words.js";
import {
  createKeyPair,
  descriptionParts,
  generateKeyPair,
  newRoomSecret,
  OVERHEAD_BYTES,
  REPLAY_WINDOW_FRAMES,
  SEALED_BYTES_MAX,
  type Seal,
  type WordsStream,
} from "../src/sealing.js";

type Role = "first" | "second";

interface PairVector extends Record<Role, { privateKey: string; key: string; userId: string }> {
  name: string;
  roomId: string;
  secret: string | null;
  frames: { by: Role; aad: string; plaintext: string; sealed: string }[];
  tags: { by: Role; parts: string[]; tag: string }[];
  words: { nonces: [string, string]; messages: string[]; words: number[] };
}

interface Vectors {
  pairs: PairVector[];
  frames: { name: string; opened: string[]; sealed: string; aad: string; code: string | null }[];
  tags: {
    name: string;
    verified: string[];
    verifiedParts: string[];
    parts: string[];
    tag: unknown;
    code: string | null;
  }[];
  keys: { name: string; key: string }[];
  words: { name: string; at: Role; messages: string[]; last: string }[];
}

const url = new URL("../../../protocol/fixtures/sealing.json", import.meta.url);
const vectors: Vectors = JSON.parse(readFileSync(url, "utf8"));
const firstPair = known(vectors.pairs[0]);
const AAD = bytes("01");
const SDP = "v=0\r\na=fingerprint:sha-256 00\r\n";

const other = (role: Role): Role => (role === "first" ? "second" : "first");
const refused = (code: string) => expect.objectContaining({ name: "SheetbendError", code });

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe.each(vectors.pairs.map((pair) => [pair.name, pair] as const))("%s", (_name, pair) => {
  test("frames", async () => {
    const members = await both(pair);
    for (const { by, aad, plaintext, sealed } of pair.frames) {
      expect(hex(await members[by].seal(bytes(plaintext), bytes(aad)))).toBe(sealed);
      expect(hex(await members[other(by)].open(bytes(sealed), bytes(aad)))).toBe(plaintext);
    }
  });

  test("tags", async () => {
    const members = await both(pair);
    for (const { by, parts, tag } of pair.tags) {
      expect(await members[by].bind(parts)).toBe(tag);
      await members[other(by)].verify(parts, tag);
    }
  });

  test("words", async () => {
    const [firstNonce, secondNonce] = pair.words.nonces;
    const members = await both(pair);
    const said: string[] = [];
    const [near, far] = wire((message) => said.push(hex(message)));
    const first = members.first.safetyWords(near, bytes(firstNonce));
    const second = members.second.safetyWords(far, bytes(secondNonce));
    expect([await first, await second]).toEqual([pair.words.words, pair.words.words]);
    expect(said).toEqual(pair.words.messages);
  });
});

test.each(vectors.frames)("a frame: $name", async ({ opened, sealed, aad, code }) => {
  const seal = await vectorSeal(firstPair, "second");
  for (const each of opened) await seal.open(bytes(each), AAD);
  const outcome = seal.open(bytes(sealed), bytes(aad));
  if (code) await expect(outcome).rejects.toEqual(refused(code));
  else expect(new TextDecoder().decode(await outcome)).toBe("hello");
});

test.each(vectors.tags)("a tag: $name", async ({ verified, verifiedParts, parts, tag, code }) => {
  const seal = await vectorSeal(firstPair, "second");
  for (const each of verified) await seal.verify(verifiedParts, each);
  if (code) await expect(seal.verify(parts, tag)).rejects.toEqual(refused(code));
  else await seal.verify(parts, tag);
});

test.each(vectors.keys)("a key: $name", async ({ key }) => {
  const pair = { ...firstPair, second: { ...firstPair.second, key } };
  await expect(vectorSeal(pair, "first")).rejects.toEqual(refused("key_refused"));
});

test.each(vectors.words)("an exchange of words: $name", async ({ at, messages, last }) => {
  const seal = await vectorSeal(firstPair, at);
  const isFirst = at === "first";
  const [near, far] = wire();
  const writer = far.writable.getWriter();
  for (const message of [...messages, last]) writer.write(bytes(message)).catch(() => {});
  void far.readable.pipeTo(new WritableStream());
  const words = seal.safetyWords(near, bytes(firstPair.words.nonces[isFirst ? 0 : 1]));
  // Once the words are there, nothing is read any more.
  if (messages.length === (isFirst ? 1 : 2)) expect(await words).toEqual(firstPair.words.words);
  else await expect(words).rejects.toEqual(refused("words_refused"));
  await expect(seal.safetyWords(wire()[0])).rejects.toEqual(refused("words_refused"));
});

test("frames are sealed and opened in the order of calls, whatever their sizes", async () => {
  const [ada, bob] = await seals();
  const sizes = [8_000_000, 1, 2_000_000, 0, 1_000_000, 7];
  const sealed: Uint8Array<ArrayBuffer>[] = [];
  await Promise.all(
    sizes.map((size) => ada.seal(new Uint8Array(size), AAD).then((frame) => sealed.push(frame))),
  );
  expect(sealed.map((frame) => frame.length - OVERHEAD_BYTES)).toEqual(sizes);
  const opened: number[] = [];
  await Promise.all(sealed.map((frame) => bob.open(frame, AAD).then(({ length }) => opened.push(length))));
  expect(opened).toEqual(sizes);
});

test("tags are made and checked in the order of calls, whatever their sizes", async () => {
  const [ada, bob] = await seals();
  const texts = ["x".repeat(500_000), "", "x".repeat(100_000), "y"];
  const tags: string[] = [];
  await Promise.all(texts.map((text) => ada.bind([text]).then((tag) => tags.push(tag))));
  await Promise.all(texts.map((text, index) => bob.verify([text], tags[index])));
});

test("a frame that came twice at once is opened once", async () => {
  const [ada, bob] = await seals();
  const frame = await ada.seal(bytes("2a"), AAD);
  const outcomes = await Promise.allSettled([bob.open(frame, AAD), bob.open(frame, AAD)]);
  expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
});

test.each([[1], [2], [3]])(
  "frames of many orders are opened once, and within the window (seed %i)",
  async (seed) => {
    const [ada, bob] = await seals();
    const random = mulberry32(seed);
    const frames = await Promise.all(Array.from({ length: 6500 }, () => ada.seal(bytes("2a"), AAD)));
    const opened = new Set<number>();
    let newest = 0;
    for (let count = 0; count < 1500 && newest < frames.length; count++) {
      const jump = random() < 0.05 ? 2100 : 40;
      const back = random() < 0.3 ? REPLAY_WINDOW_FRAMES + 20 : 40;
      const counter = Math.max(0, Math.floor(newest - back + random() * (back + jump)));
      if (counter >= frames.length) continue;
      const isNew = newest - counter < REPLAY_WINDOW_FRAMES && !opened.has(counter);
      const outcome = bob.open(known(frames[counter]), AAD);
      if (isNew) await outcome;
      else await expect(outcome).rejects.toEqual(refused("frame_replayed"));
      opened.add(counter);
      newest = Math.max(newest, counter);
    }
    expect(newest).toBeGreaterThan(5000);
  },
);

test("a refused frame holds nothing up and moves nothing", async () => {
  const [ada, bob] = await seals();
  const frame = await ada.seal(bytes("2a"), AAD);
  const forged = bytes(`00000000ffffffff${hex(frame).slice(16)}`);
  const outcomes = await Promise.allSettled([bob.open(forged, AAD), bob.open(frame, AAD)]);
  expect(outcomes).toEqual([
    { status: "rejected", reason: refused("frame_refused") },
    { status: "fulfilled", value: bytes("2a") },
  ]);
});

test("a frame that is part of a larger buffer is opened", async () => {
  const [ada, bob] = await seals();
  const frame = await ada.seal(bytes("2a"), AAD);
  const message = bytes(`ffffff${hex(frame)}ff`);
  expect(await bob.open(message.subarray(3, -1), AAD)).toEqual(bytes("2a"));
});

test("what is sealed is what was there at the call", async () => {
  const [ada, bob] = await seals();
  const plaintext = bytes("2a");
  const sealing = ada.seal(plaintext, AAD);
  plaintext[0] = 0;
  expect(await bob.open(await sealing, AAD)).toEqual(bytes("2a"));
});

test("a key pair makes the same seal once, also of two at once", async () => {
  const [ada, bob] = [await generateKeyPair(), await generateKeyPair()];
  const met = { roomId: "demo", ownId: "a", otherId: "b", otherKey: bob.key, secret: null };
  const outcomes = await Promise.allSettled([ada.agree(met), ada.agree(met)]);
  expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
  await ada.agree({ ...met, otherId: "c" });
  await ada.agree({ ...met, ownId: "c" });
  await ada.agree({ ...met, roomId: "other" });
  await ada.agree({ ...met, secret: "a secret" });
  await expect(ada.agree({ ...met, secret: "another" })).rejects.toEqual(refused("key_refused"));
});

test("an empty secret is a mistake, and not none", async () => {
  await expect(seals("")).rejects.toEqual(refused("invalid_argument"));
});

test("words are had once", async () => {
  const [ada, bob] = await seals();
  const [near, far] = wire();
  const words = await Promise.all([ada.safetyWords(near), bob.safetyWords(far)]);
  expect(words[0]).toEqual(words[1]);
  await expect(ada.safetyWords(wire()[0])).rejects.toEqual(refused("words_refused"));
});

test("a key that is worn out seals no more", async () => {
  const [ada] = await seals();
  const endless = Object.defineProperty(new Uint8Array(), "length", { value: SEALED_BYTES_MAX + 1 });
  await expect(ada.seal(endless, AAD)).rejects.toEqual(refused("key_worn_out"));
  await expect(ada.seal(bytes("2a"), AAD)).rejects.toEqual(refused("key_worn_out"));
});

test("words look as the protocol says", () => {
  const list = new URL("../../../protocol/safety-words.json", import.meta.url);
  expect(SAFETY_WORDS).toEqual(JSON.parse(readFileSync(list, "utf8")));
});

test("a page that is neither from https nor localhost has no keys", async () => {
  vi.stubGlobal("crypto", { getRandomValues: crypto.getRandomValues });
  await expect(generateKeyPair()).rejects.toEqual(refused("sealing_unavailable"));
});

test("a browser without X25519 has no keys", async () => {
  vi.spyOn(crypto.subtle, "generateKey").mockRejectedValue(new DOMException("", "NotSupportedError"));
  await expect(generateKeyPair()).rejects.toEqual(refused("sealing_unavailable"));
});

test("the private key can't be taken out", async () => {
  const generate = vi.spyOn(crypto.subtle, "generateKey");
  await generateKeyPair();
  const pair = await generate.mock.results[0]?.value;
  expect(pair.privateKey.extractable).toBe(false);
});

test("a description without a fingerprint has no parts", () => {
  expect(() => descriptionParts("offer", "v=0\r\na=crypto:1 x\r\n", [])).toThrow(
    refused("description_refused"),
  );
});

test("labels are bound in one order", () => {
  const labels = [
    ["🎻", "3"],
    ["b", "2"],
    ["\uffff", "4"],
    ["a", "1"],
  ] as const;
  expect(descriptionParts("offer", SDP, labels)).toEqual([
    ...["offer", SDP],
    ...["a", "1", "b", "2", "🎻", "3", "\uffff", "4"],
  ]);
});

test("room secrets are 128 random bits that a link can hold", () => {
  const found = new Set(Array.from({ length: 100 }, newRoomSecret));
  expect(found.size).toBe(100);
  for (const secret of found) expect(secret).toMatch(/^[\w-]{22}$/);
});

/** Ada's and Bob's, fresh. */
async function seals(secret: string | null = null): Promise<[Seal, Seal]> {
  const [ada, bob] = [await generateKeyPair(), await generateKeyPair()];
  const met = { roomId: "demo", secret };
  return Promise.all([
    ada.agree({ ...met, ownId: "a", otherId: "b", otherKey: bob.key }),
    bob.agree({ ...met, ownId: "b", otherId: "a", otherKey: ada.key }),
  ]);
}

async function both(pair: PairVector): Promise<Record<Role, Seal>> {
  return { first: await vectorSeal(pair, "first"), second: await vectorSeal(pair, "second") };
}

async function vectorSeal(pair: PairVector, role: Role): Promise<Seal> {
  const [own, peer] = [pair[role], pair[other(role)]];
  const { roomId, secret } = pair;
  const key = Buffer.from(own.key, "base64url");
  const jwk = {
    kty: "OKP",
    crv: "X25519",
    d: Buffer.from(own.privateKey, "hex").toString("base64url"),
    x: own.key,
  };
  const privateKey = await crypto.subtle.importKey("jwk", jwk, "X25519", false, ["deriveBits"]);
  return createKeyPair(new Uint8Array(key), privateKey).agree({
    ...{ roomId, secret },
    ...{ ownId: own.userId, otherId: peer.userId, otherKey: peer.key },
  });
}

/** A generator of numbers in [0, 1) that a seed repeats. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function bytes(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(text, "hex"));
}

function hex(data: Uint8Array): string {
  return Buffer.from(data).toString("hex");
}

function known<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw new Error("nothing there");
  return value;
}

/** The two ends of a stream. `heard` is told each message that is on its way. */
function wire(heard: (message: Uint8Array) => void = () => {}): [WordsStream, WordsStream] {
  const way = () =>
    new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform(message, controller) {
        heard(message);
        controller.enqueue(message);
      },
    });
  const [there, back] = [way(), way()];
  return [
    { readable: back.readable, writable: there.writable as WordsStream["writable"] },
    { readable: there.readable, writable: back.writable as WordsStream["writable"] },
  ];
}
