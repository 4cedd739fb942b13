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

import { join, sha256 } from "./bytes.js";
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
/** Kinds of messages in the exchange of words; the first stands for none. */
const NOTHING = 0;
const COMMIT = 1;
const NONCE = 2;
const REVEAL = 3;

const encoder = new TextEncoder();

/** A secret for a room's link: 22 characters, 128 bits. */
export function newRoomSecret(): string {
  return toText(crypto.getRandomValues(new Uint8Array(SECRET_BYTES)));
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
export class KeyPair {
  /** The public key, as members show it to the room: 43 characters of base64url. */
  readonly key: string;
  readonly #privateKey: CryptoKey;
  readonly #agreed = new Set<string>();

  /** For tests. Elsewhere `generate` makes them: a key that comes back makes nonces come back. */
  constructor(publicKey: Bytes, privateKey: CryptoKey) {
    this.key = toText(publicKey);
    this.#privateKey = privateKey;
  }

  /** Makes new keys. */
  static async generate(): Promise<KeyPair> {
    const subtle: SubtleCrypto | undefined = globalThis.crypto?.subtle;
    if (!subtle) throw unavailable("Sealing needs a page from https or localhost.");
    const pair = await subtle.generateKey("X25519", false, ["deriveBits"]).catch(() => null);
    if (!pair || !("privateKey" in pair)) throw unavailable("Sealing needs a browser with X25519.");
    return new KeyPair(new Uint8Array(await subtle.exportKey("raw", pair.publicKey)), pair.privateKey);
  }

  /**
   * Makes the Seal with another member. Keep it for as long as either of you lives under these user ids: a second one
   * is refused, as its counters would begin again under the same keys, which lays them open.
   */
  async agree({ roomId, ownId, otherId, otherKey, secret }: Agreement): Promise<Seal> {
    if (secret === "") throw new SheetbendError("invalid_argument", "An empty secret is none: pass null.");
    const theirKey = fromText(otherKey, KEY_BYTES);
    if (!theirKey || otherKey === this.key) throw refused("key");
    const isFirst = this.key < otherKey;
    const members = isFirst ? [this.key, ownId, otherKey, otherId] : [otherKey, otherId, this.key, ownId];
    const mode = secret === null ? "open" : "secret";
    const salt = await sha256(prefixed(["sheetbend link 1", mode, roomId, ...members]));
    this.#agreeOnce(toText(salt));
    const shared = await this.#exchange(theirKey);
    const psk =
      secret === null
        ? new Uint8Array(KEY_BYTES)
        : await hkdf(encoder.encode(secret), new Uint8Array(), "sheetbend secret 1", KEY_BYTES);
    return Seal.of(await hkdf(join(shared, psk), salt, "sheetbend keys 1", KEYS_BYTES), isFirst);
  }

  #agreeOnce(salt: string): void {
    if (this.#agreed.has(salt)) throw refused("key");
    if (this.#agreed.size === AGREEMENTS_MAX) throw wornOut();
    this.#agreed.add(salt);
  }

  async #exchange(theirKey: Bytes): Promise<Bytes> {
    const { subtle } = crypto;
    try {
      const key = await subtle.importKey("raw", theirKey, "X25519", false, []);
      const shared = await subtle.deriveBits({ name: "X25519", public: key }, this.#privateKey, 256);
      const bytes = new Uint8Array(shared);
      if (bytes.some((byte) => byte !== 0)) return bytes;
    } catch {}
    throw refused("key"); // a point of low order: anybody knows what comes out
  }
}

/** What two members have agreed. `KeyPair.agree` makes it. */
export class Seal {
  /** Whether our `key` is the smaller one, as text. */
  readonly isFirst: boolean;
  readonly #sealingKey: CryptoKey;
  readonly #openingKey: CryptoKey;
  readonly #tagKey: CryptoKey;
  readonly #ownIv: Bytes;
  readonly #otherIv: Bytes;
  #wordsKey: Bytes | null;
  readonly #window = new ReplayWindow();
  readonly #outgoing = inOrder();
  readonly #incoming = inOrder();
  #sealedFrames = 0;
  #sealedBytes = 0;
  #bound = 0;
  /** Tags with a smaller number are old. */
  #verified = 0;

  private constructor(
    isFirst: boolean,
    [sealingKey, openingKey, tagKey]: [CryptoKey, CryptoKey, CryptoKey],
    [ownIv, otherIv]: [Bytes, Bytes],
    wordsKey: Bytes,
  ) {
    this.isFirst = isFirst;
    this.#sealingKey = sealingKey;
    this.#openingKey = openingKey;
    this.#tagKey = tagKey;
    this.#ownIv = ownIv;
    this.#otherIv = otherIv;
    this.#wordsKey = wordsKey;
  }

  /** @internal */
  static async of(output: Bytes, isFirst: boolean): Promise<Seal> {
    const [own, other] = isFirst ? [0, 1] : [1, 0];
    const take = (at: number, size: number) => output.slice(at, at + size);
    const key = (at: number, algorithm: AlgorithmIdentifier | HmacImportParams, usages: KeyUsage[]) =>
      crypto.subtle.importKey("raw", take(at, 32), algorithm, false, usages);
    const keys = await Promise.all([
      key(own * 32, "AES-GCM", ["encrypt"]),
      key(other * 32, "AES-GCM", ["decrypt"]),
      key(88, { name: "HMAC", hash: "SHA-256" }, ["sign", "verify"]),
    ]);
    return new Seal(isFirst, keys, [take(64 + own * 12, 12), take(64 + other * 12, 12)], take(120, 32));
  }

  /**
   * Seals a frame, OVERHEAD_BYTES longer than `plaintext`. `aad` goes unsealed or not at all, but must be right. Frames
   * are sealed, and given, in the order of calls. Rejects with `key_worn_out`.
   */
  async seal(plaintext: Bytes, aad: Bytes): Promise<Bytes> {
    const counter = this.#sealedFrames;
    this.#sealedBytes += plaintext.length;
    if (counter >= FRAMES_MAX || this.#sealedBytes > SEALED_BYTES_MAX) throw wornOut();
    this.#sealedFrames++;
    const how = parameters(this.#ownIv, counter, aad);
    const sealed = await this.#outgoing(crypto.subtle.encrypt(how, this.#sealingKey, plaintext));
    return join(uint32(0), uint32(counter), new Uint8Array(sealed));
  }

  /**
   * Opens what the other member sealed with the same `aad`. Frames may come late, within REPLAY_WINDOW_FRAMES; they are
   * given in the order of calls. Rejects with `frame_refused` or `frame_replayed`.
   */
  async open(sealed: Bytes, aad: Bytes): Promise<Bytes> {
    const counter =
      sealed.length < OVERHEAD_BYTES ? FRAMES_MAX : readUint32(sealed, 0) * 2 ** 32 + readUint32(sealed, 4);
    if (counter >= FRAMES_MAX) throw refused("frame");
    const how = parameters(this.#otherIv, counter, aad);
    const opened = crypto.subtle.decrypt(how, this.#openingKey, sealed.subarray(8));
    const plaintext = await this.#incoming(opened).catch(() => null);
    if (!plaintext) throw refused("frame");
    if (this.#window.take(counter)) return new Uint8Array(plaintext);
    throw new SheetbendError("frame_replayed", "A frame came again, or far too late.");
  }

  /**
   * Makes the tag that shows `parts` to be ours, 48 characters. Goes with them, in the order they are sent. They are
   * the `descriptionParts` of a description, or any other texts whose first one says what they are.
   */
  async bind(parts: readonly string[]): Promise<string> {
    if (this.#bound >= FRAMES_MAX) throw wornOut();
    const head = uint32(this.#bound++);
    const mac = crypto.subtle.sign("HMAC", this.#tagKey, tagged(this.isFirst, head, parts));
    return toText(join(head, new Uint8Array(await this.#outgoing(mac))));
  }

  /**
   * Checks that the other member bound `parts`, after all that were verified before. `tag` is what came, of any type.
   * Rejects with `description_refused`.
   */
  async verify(parts: readonly string[], tag: unknown): Promise<void> {
    const given = typeof tag === "string" ? fromText(tag, TAG_BYTES) : null;
    if (!given) throw refused("description");
    const data = tagged(!this.isFirst, given.subarray(0, 4), parts);
    const checked = crypto.subtle.verify("HMAC", this.#tagKey, given.subarray(4), data);
    const isTheirs = await this.#incoming(checked);
    const number = readUint32(given, 0);
    if (!isTheirs || number < this.#verified) throw refused("description");
    this.#verified = number + 1;
  }

  /**
   * Begins the exchange that gives both members the same words. Once: a stranger in between shall have one try.
   * @param nonce 32 random bytes; for tests
   */
  safetyWords(nonce: Bytes = crypto.getRandomValues(new Uint8Array(NONCE_BYTES))): SafetyWords {
    const key = this.#wordsKey;
    if (!key) throw new SheetbendError("invalid_argument", "A seal has its words once.");
    this.#wordsKey = null;
    return new SafetyWords(key, this.isFirst, nonce);
  }
}

/** Which of the latest frames have come. RFC 6479: a ring of words, one more than the window has. */
class ReplayWindow {
  readonly #words = new Uint32Array(REPLAY_WINDOW_FRAMES / 32 + 1);
  /** One more than the newest. */
  #next = 0;

  /** Whether the frame is new and not too old. For authentic frames only: a forged one would move the window. */
  take(counter: number): boolean {
    if (counter + REPLAY_WINDOW_FRAMES < this.#next) return false;
    const size = this.#words.length;
    const word = counter >>> 5;
    if (counter >= this.#next) {
      const begun = Math.ceil(this.#next / 32);
      for (let at = Math.max(begun, word - size + 1); at <= word; at++) this.#words[at % size] = 0;
      this.#next = counter + 1;
    }
    const bit = 1 << (counter & 31);
    const seen = this.#words[word % size] ?? 0;
    this.#words[word % size] = seen | bit;
    return (seen & bit) === 0;
  }
}

/**
 * Words that are the same for two members if nobody stands between them: 7 numbers below 64.
 *
 * The words are made of a nonce of each. The first member is held to its own, by its hash, before it sees the other's,
 * so neither, nor anyone between, can choose nonces by the words that come out:
 *
 *     first    start: commit ──>
 *     second   receive: <── nonce
 *     first    receive: reveal ──>, and has `words`
 *     second   receive: has `words`
 *
 * The messages go over the link, reliably and in order. Anything else ends the exchange for good.
 */
export class SafetyWords {
  /** Once the exchange is over. What they look like stands in `safety-words`. */
  words: readonly number[] | null = null;
  readonly #key: Bytes;
  readonly #isFirst: boolean;
  readonly #nonce: Bytes;
  #commitment = "";
  /** The kind of the message that must come next; null before `start`. */
  #expected: number | null;

  /** @internal */
  constructor(key: Bytes, isFirst: boolean, nonce: Bytes) {
    this.#key = key;
    this.#isFirst = isFirst;
    this.#nonce = nonce;
    this.#expected = isFirst ? null : COMMIT;
  }

  /** The message to send first, once; null for the second member, who waits. Rejects with `words_refused`. */
  async start(): Promise<Bytes | null> {
    if (!this.#isFirst) return null;
    // A nonce that was revealed must not be committed to again.
    if (this.#expected !== null) throw refused("words");
    this.#expected = NONCE;
    return join([COMMIT], await commitment(this.#nonce));
  }

  /** The message to answer with, if any. Rejects with `words_refused`. */
  async receive(message: Bytes): Promise<Bytes | null> {
    const [kind] = message;
    const body = message.slice(1);
    const expected = this.#expected;
    this.#expected = NOTHING;
    if (kind === NOTHING || kind !== expected || body.length !== NONCE_BYTES) throw refused("words");
    if (kind === COMMIT) {
      this.#commitment = toText(body);
      this.#expected = REVEAL;
      return join([NONCE], this.#nonce);
    }
    if (kind === NONCE) {
      this.words = await words(this.#key, join(this.#nonce, body));
      return join([REVEAL], this.#nonce);
    }
    if (toText(await commitment(body)) !== this.#commitment) throw refused("words");
    this.words = await words(this.#key, join(body, this.#nonce));
    return null;
  }
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
  const nonce = join(iv.subarray(0, 8), uint32(readUint32(iv, 8) ^ counter));
  return { name: "AES-GCM", iv: nonce, additionalData };
}

function tagged(isByFirst: boolean, head: Bytes, parts: readonly string[]): Bytes {
  return join([isByFirst ? 1 : 2], head, prefixed(parts));
}

function commitment(nonce: Bytes): Promise<Bytes> {
  return sha256(join(prefixed(["sheetbend words 1"]), nonce));
}

async function words(key: Bytes, nonces: Bytes): Promise<number[]> {
  const bytes = await hkdf(key, nonces, "sheetbend words 1", 6);
  const bits = bytes.reduce((number, byte) => number * 256 + byte, 0);
  return [42, 36, 30, 24, 18, 12, 6].map((place) => Math.floor(bits / 2 ** place) % 64);
}

async function hkdf(key: Bytes, salt: Bytes, info: string, size: number): Promise<Bytes> {
  const { subtle } = crypto;
  const base = await subtle.importKey("raw", key, "HKDF", false, ["deriveBits"]);
  const how = { name: "HKDF", hash: "SHA-256", salt, info: encoder.encode(info) };
  return new Uint8Array(await subtle.deriveBits(how, base, size * 8));
}

/** One string that can be cut in one way only. */
function prefixed(texts: readonly string[]): Bytes {
  const parts = texts.map((text) => encoder.encode(text));
  return join(...parts.flatMap((part) => [uint32(part.length), part]));
}

function uint32(number: number): Bytes {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}

function readUint32(bytes: Bytes, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(at);
}

function toText(bytes: Bytes): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replace(/=+$/, "");
}

/** `size` bytes in the one spelling that base64url has for them (RFC 4648, section 3.5); else null. */
function fromText(text: string, size: number): Bytes | null {
  try {
    const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(binary, (char) => char.charCodeAt(0));
    return bytes.length === size && toText(bytes) === text ? bytes : null;
  } catch {
    return null;
  }
}

const unavailable = (sentence: string) => new SheetbendError("sealing_unavailable", sentence);
const wornOut = () => new SheetbendError("key_worn_out", "This key has done all it may.");
const refused = (what: "key" | "frame" | "description" | "words") =>
  new SheetbendError(`${what}_refused`, `What came as the other member's ${what} is refused.`);
