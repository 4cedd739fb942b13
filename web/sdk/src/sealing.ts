/**
 * Sealing: what two members send through the server, nobody else can read, alter, repeat or send back.
 *
 * A member makes one KeyPair for each session and shows its `key` to the room. `KeyPair.agree` with another member's
 * key gives the Seal of the two, without an exchange: `seal` and `open` for frames on the relay, `bind` and `verify`
 * for session descriptions, `safetyWords` for people to compare. What isn't right rejects with SheetbendError; nothing
 * falls back:
 *
 * - `sealing_unavailable`: not a page from https or localhost, or a browser without X25519
 * - `key_refused`: a public key that is no key, or our own, or one that we have agreed with under these ids before
 * - `key_worn_out`: the bound of a key is reached; a new session with a new key pair is needed
 * - `frame_refused`: not sealed by the other member for us, or altered
 * - `frame_replayed`: was there before, or is older than the replay window
 * - `description_refused`: without a tag, with a wrong one or an old one, or with no fingerprint to hold DTLS to
 * - `words_refused`: the other member broke the exchange behind the safety words
 *
 * docs/sealing.md has the construction and what it does and doesn't protect. `client/sealing.py` is its twin, held to
 * the same fixtures.
 */

import type { MemberStream } from "./api.js";
import { encoder, join, randomBytes, sha256, toHex } from "./bytes.js";
import { SheetbendError } from "./errors.js";

/** A sealed frame is longer than its content by a counter of 8 bytes and a tag of 16. */
export const OVERHEAD_BYTES = 24;
/** Frames, and tags, of one key. Then `key_worn_out`. */
export const FRAMES_MAX = 2 ** 32;
/** What one key seals: 2^35 blocks, where RFC 9001 (appendix B.1.1) has AES-GCM stop too. Then `key_worn_out`. */
export const SEALED_BYTES_MAX = 2 ** 39;
/** How far behind the newest a frame may be. Older ones are refused, as nobody knows any more whether they came. */
export const REPLAY_WINDOW_FRAMES = 2048;
/** How many members one key pair agrees with. Then `key_worn_out`. */
export const AGREEMENTS_MAX = 16_384;

type Bytes = Uint8Array<ArrayBuffer>;

const KEY_BYTES = 32;
const SECRET_BYTES = 16;
const NONCE_BYTES = 32;
const TAG_BYTES = 4 + 32;
/** Two keys of 32, two ivs of 12, and the keys of tags and words, of 32: one after the other. */
const KEYS_BYTES = 152;
/** Kinds of messages in the exchange of words. */
const COMMIT = 1;
const NONCE = 2;
const REVEAL = 3;

/** A secret for a room's link: 22 characters, 128 bits. */
export function newRoomSecret(): string {
  return toText(randomBytes(SECRET_BYTES));
}

export interface Agreement {
  roomId: string;
  ownId: string;
  otherId: string;
  otherKey: string;
  /** The text behind `#` in the room's link, null where there is none. */
  secret: string | null;
}

/** A member's keys for one session. They live in this object and can't be stored: nothing makes the same Seal twice. */
export type KeyPair = ReturnType<typeof createKeyPair>;

/** Makes new keys. */
export async function generateKeyPair(): Promise<KeyPair> {
  const subtle: SubtleCrypto | undefined = globalThis.crypto?.subtle;
  if (!subtle) throw unavailable("page from https or localhost");
  const pair = await subtle.generateKey("X25519", false, ["deriveBits"]).catch(() => null);
  if (!pair || !("privateKey" in pair)) throw unavailable("browser with X25519");
  return createKeyPair(new Uint8Array(await subtle.exportKey("raw", pair.publicKey)), pair.privateKey);
}

/** For tests. Elsewhere `generateKeyPair` makes them: a key that comes back makes nonces come back. */
export function createKeyPair(publicKey: Bytes, privateKey: CryptoKey) {
  const key = toText(publicKey);
  const agreed = new Set<string>();

  /**
   * Makes the Seal with another member. Keep it for as long as either of you lives under these user ids: a second one
   * is refused, as its counters would begin again under the same keys, which lays them open.
   */
  async function agree({ roomId, ownId, otherId, otherKey, secret }: Agreement): Promise<Seal> {
    if (secret === "") throw new SheetbendError("invalid_argument", "An empty secret is none.");
    const theirKey = fromText(otherKey, KEY_BYTES);
    if (!theirKey || otherKey === key) throw refused("key");
    const isFirst = key < otherKey;
    const members = isFirst ? [key, ownId, otherKey, otherId] : [otherKey, otherId, key, ownId];
    const mode = secret === null ? "open" : "secret";
    const salt = await sha256(prefixed(["sheetbend link 1", mode, roomId, ...members]));
    agreeOnce(toText(salt));
    const shared = await exchange(theirKey).catch(() => null);
    // Of a point of low order anybody knows what comes out.
    if (!shared?.some((byte) => byte !== 0)) throw refused("key");
    const psk =
      secret === null
        ? new Uint8Array(KEY_BYTES)
        : await hkdf(encoder.encode(secret), new Uint8Array(), "sheetbend secret 1", KEY_BYTES);
    return createSeal(await hkdf(join(shared, psk), salt, "sheetbend keys 1", KEYS_BYTES), isFirst);
  }

  function agreeOnce(salt: string): void {
    if (agreed.has(salt)) throw refused("key");
    if (agreed.size === AGREEMENTS_MAX) throw wornOut();
    agreed.add(salt);
  }

  async function exchange(theirKey: Bytes): Promise<Bytes> {
    const theirs = await importKey(theirKey, "X25519");
    const how = { name: "X25519", public: theirs };
    return new Uint8Array(await crypto.subtle.deriveBits(how, privateKey, 256));
  }

  return {
    /** The public key, as members show it to the room: 43 characters of base64url. */
    key,
    agree,
  };
}

/** On which words are exchanged: each chunk that is read is one that was written. */
export type WordsStream = Pick<MemberStream, "readable" | "writable">;

/** What two members have agreed. `KeyPair.agree` makes it. */
export type Seal = Awaited<ReturnType<typeof createSeal>>;

async function createSeal(output: Bytes, isFirst: boolean) {
  let at = 0;
  function cut(size: number): Bytes {
    at += size;
    return output.slice(at - size, at);
  }

  const keys: [own: Bytes, other: Bytes] = [cut(32), cut(32)];
  const ivs: [own: Bytes, other: Bytes] = [cut(12), cut(12)];
  if (!isFirst) for (const each of [keys, ivs]) each.reverse();
  const sealingKey = await importKey(keys[0], "AES-GCM", "encrypt");
  const openingKey = await importKey(keys[1], "AES-GCM", "decrypt");
  const tagKey = await importKey(cut(32), { name: "HMAC", hash: "SHA-256" }, "sign", "verify");
  let wordsKey: Bytes | null = cut(32);
  const isNew = createReplayWindow();
  const outgoing = inOrder();
  const incoming = inOrder();
  let sealedFrames = 0;
  let sealedBytes = 0;
  let bound = 0;
  /** Tags with a smaller number are old. */
  let verified = 0;

  /**
   * Seals a frame, OVERHEAD_BYTES longer than `plaintext`. `aad` goes unsealed or not at all, but must be right. Frames
   * are sealed, and given, in the order of calls. Rejects with `key_worn_out`.
   */
  async function seal(plaintext: Bytes, aad: Bytes): Promise<Bytes> {
    const counter = sealedFrames;
    sealedBytes += plaintext.length;
    if (counter >= FRAMES_MAX || sealedBytes > SEALED_BYTES_MAX) throw wornOut();
    sealedFrames++;
    const how = parameters(ivs[0], counter, aad);
    const sealed = await outgoing(crypto.subtle.encrypt(how, sealingKey, plaintext));
    return join(uint32(0), uint32(counter), new Uint8Array(sealed));
  }

  /**
   * Opens what the other member sealed with the same `aad`. Frames may come late, within REPLAY_WINDOW_FRAMES; they are
   * given in the order of calls. Rejects with `frame_refused` or `frame_replayed`.
   */
  async function open(sealed: Bytes, aad: Bytes): Promise<Bytes> {
    const counter = sealed.length < OVERHEAD_BYTES ? FRAMES_MAX : toNumber(sealed.subarray(0, 8));
    if (counter >= FRAMES_MAX) throw refused("frame");
    const how = parameters(ivs[1], counter, aad);
    const opened = crypto.subtle.decrypt(how, openingKey, sealed.subarray(8));
    const plaintext = await incoming(opened).catch(() => null);
    if (!plaintext) throw refused("frame");
    if (isNew(counter)) return new Uint8Array(plaintext);
    throw refused("frame", "replayed");
  }

  /**
   * Makes the tag that shows `parts` to be ours, 48 characters. Goes with them, in the order they are sent. They are
   * the `descriptionParts` of a description, or any other texts whose first one says what they are.
   */
  async function bind(parts: readonly string[]): Promise<string> {
    if (bound >= FRAMES_MAX) throw wornOut();
    const head = uint32(bound++);
    const mac = crypto.subtle.sign("HMAC", tagKey, tagged(isFirst, head, parts));
    return toText(join(head, new Uint8Array(await outgoing(mac))));
  }

  /**
   * Checks that the other member bound `parts`, after all that were verified before. `tag` is what came, of any type.
   * Rejects with `description_refused`.
   */
  async function verify(parts: readonly string[], tag: unknown): Promise<void> {
    const given = fromText(tag, TAG_BYTES);
    if (!given) throw refused("description");
    const head = given.subarray(0, 4);
    const data = tagged(!isFirst, head, parts);
    const checked = crypto.subtle.verify("HMAC", tagKey, given.subarray(4), data);
    const isTheirs = await incoming(checked);
    const number = toNumber(head);
    if (!isTheirs || number < verified) throw refused("description");
    verified = number + 1;
  }

  /**
   * Exchanges over a stream with the other member what gives both the same words: 7 numbers below 64, which look as in
   * `safety-words`. Once: a stranger in between shall have one try. Rejects with `words_refused`, and as the stream.
   *
   * The words are made of a nonce of each. The first member is held to its own, by its hash, before it sees the other's,
   * so neither, nor anyone between, can choose nonces by the words that come out.
   *
   * @param nonce 32 random bytes; for tests
   */
  async function safetyWords(
    { readable, writable }: WordsStream,
    nonce = randomBytes(NONCE_BYTES),
  ): Promise<number[]> {
    const key = wordsKey;
    wordsKey = null;
    if (!key) throw refused("words");
    const reader = readable.getReader();
    const writer = writable.getWriter();
    const say = (kind: number, body: Bytes) => writer.write(join([kind], body));

    async function hear(kind: number): Promise<Bytes> {
      const { value } = await reader.read();
      if (value?.[0] !== kind || value.length !== 1 + NONCE_BYTES) throw refused("words");
      return value.slice(1);
    }

    let nonces: Bytes;
    if (isFirst) {
      await say(COMMIT, await commitment(nonce));
      nonces = join(nonce, await hear(NONCE));
      await say(REVEAL, nonce);
    } else {
      const promised = await hear(COMMIT);
      await say(NONCE, nonce);
      const theirs = await hear(REVEAL);
      if (toHex(await commitment(theirs)) !== toHex(promised)) throw refused("words");
      nonces = join(theirs, nonce);
    }
    await writer.close();
    return words(key, nonces);
  }

  return {
    seal,
    open,
    bind,
    verify,
    safetyWords,
  };
}

/**
 * Which of the latest frames have come.
 *
 * Returns what says whether a frame is new and not too old. For authentic frames only: a forged one would move the
 * window.
 */
function createReplayWindow(): (counter: number) => boolean {
  /** Of the counters that share a place, at most one is in the window: the latest that came, and one more. */
  const latest = new Float64Array(REPLAY_WINDOW_FRAMES);
  /** One more than the newest. */
  let next = 0;

  return (counter) => {
    const place = counter % REPLAY_WINDOW_FRAMES;
    if (counter + REPLAY_WINDOW_FRAMES < next || latest[place] === counter + 1) return false;
    latest[place] = counter + 1;
    next = Math.max(next, counter + 1);
    return true;
  };
}

/**
 * What of a description is bound: all of its text, so that no two parsers can differ on what that was. `labels` are
 * those of its streams, by id. Throws `description_refused` for one without a fingerprint to hold DTLS to.
 */
export function descriptionParts(
  type: "offer" | "answer",
  sdp: string,
  labels: Iterable<readonly [id: string, label: string]>,
): string[] {
  if (!sdp.includes("\na=fingerprint:")) throw refused("description");
  return [type, sdp, ...[...labels].sort(([a], [b]) => (a < b ? -1 : 1)).flat()];
}

/** The browser works on several at once, and may be done with a short one before a long one: keeps them in order. */
function inOrder(): <T>(work: Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const turn = Promise.allSettled([last, work]).then(() => work);
    last = turn;
    return turn;
  };
}

/** What AES-GCM needs for a frame; its nonce is the counter over the iv, as in RFC 9001, section 5.3. */
function parameters(iv: Bytes, counter: number, additionalData: Bytes): AesGcmParams {
  const nonce = join(iv.subarray(0, 8), uint32(toNumber(iv.subarray(8)) ^ counter));
  return { name: "AES-GCM", iv: nonce, additionalData };
}

function tagged(isByFirst: boolean, head: ArrayLike<number>, parts: readonly string[]): Bytes {
  return join([isByFirst ? 1 : 2], head, prefixed(parts));
}

function commitment(nonce: Bytes): Promise<Bytes> {
  return sha256(join(prefixed(["sheetbend words 1"]), nonce));
}

async function words(key: Bytes, nonces: Bytes): Promise<number[]> {
  const bytes = await hkdf(key, nonces, "sheetbend words 1", 6);
  const bits = toNumber(bytes);
  return [42, 36, 30, 24, 18, 12, 6].map((place) => Math.floor(bits / 2 ** place) % 64);
}

async function hkdf(key: Bytes, salt: Bytes, info: string, size: number): Promise<Bytes> {
  const base = await importKey(key, "HKDF", "deriveBits");
  const how = { name: "HKDF", hash: "SHA-256", salt, info: encoder.encode(info) };
  return new Uint8Array(await crypto.subtle.deriveBits(how, base, size * 8));
}

function importKey(
  bytes: Bytes,
  algorithm: AlgorithmIdentifier | HmacImportParams,
  ...usages: KeyUsage[]
): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", bytes, algorithm, false, usages);
}

/** One string that can be cut in one way only. */
function prefixed(texts: readonly string[]): Bytes {
  const parts = texts.map((text) => encoder.encode(text));
  return join(...parts.flatMap((part) => [uint32(part.length), part]));
}

/** The four bytes of a number: the lowest eight bits of each of these. */
function uint32(number: number): number[] {
  return [number >>> 24, number >>> 16, number >>> 8, number];
}

function toNumber(bytes: Bytes): number {
  return bytes.reduce((number, byte) => number * 256 + byte, 0);
}

function toText(bytes: Bytes): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

/** `size` bytes in the one spelling that base64url has for them (RFC 4648, section 3.5); null for anything else. */
function fromText(text: unknown, size: number): Bytes | null {
  try {
    const binary = atob(String(text).replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(binary, (char) => char.charCodeAt(0));
    return bytes.length === size && toText(bytes) === text ? bytes : null;
  } catch {
    return null;
  }
}

const unavailable = (need: string) => new SheetbendError("sealing_unavailable", `Sealing needs a ${need}.`);
const wornOut = () => new SheetbendError("key_worn_out", "This key has done all it may.");
const refused = (what: "key" | "frame" | "description" | "words", how = "refused") =>
  new SheetbendError(`${what}_${how}`, `The member's ${what} is ${how}.`);
