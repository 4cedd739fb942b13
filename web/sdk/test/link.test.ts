import { describe, expect, test } from "vitest";
import { SheetbendError } from "../src/errors.js";
import type { LinkEffect, PathName } from "../src/link/effects.js";
import { encodeFrame, FrameKind, Reader, RecordKind, varint } from "../src/link/frames.js";
import {
  createLink,
  type Link,
  LOSSY_BYTES_MAX,
  MESSAGE_BYTES_MAX,
  PENDING_BYTES_MAX,
  STREAM_CREDIT_BYTES,
  STREAM_CREDIT_BYTES_MAX,
} from "../src/link/link.js";

const bytes = (...values: number[]) => Uint8Array.from(values);
const hex = (data: ArrayLike<number>) => Buffer.from(Uint8Array.from(data)).toString("hex");
const ofHex = (text: string) => Uint8Array.from(Buffer.from(text, "hex"));
const encoder = new TextEncoder();

describe("numbers", () => {
  test.each([
    [0, "00"],
    [37, "25"],
    [63, "3f"],
    [64, "4040"],
    [15293, "7bbd"],
    [16383, "7fff"],
    [16384, "80004000"],
    [494878333, "9d7f3e7d"],
    [2 ** 30 - 1, "bfffffff"],
    [2 ** 30, "c000000040000000"],
    [2 ** 31, "c000000080000000"],
    [2 ** 32 - 1, "c0000000ffffffff"],
    [2 ** 32, "c000000100000000"],
    [Number.MAX_SAFE_INTEGER, "c01fffffffffffff"],
  ])("%d is %s", (number, expected) => {
    expect(hex(varint(number))).toBe(expected);
    expect(new Reader(ofHex(expected)).varint()).toBe(number);
  });

  test("may be longer than they need be", () => {
    expect(["4025", "80000025", "c000000000000025"].map((each) => new Reader(ofHex(each)).varint())).toEqual([
      37, 37, 37,
    ]);
  });

  test.each(["", "40", "8000ff", "c0000000000000", "c020000000000000", "ffffffffffffffff"])(
    "'%s' is none",
    (text) => expect(() => new Reader(ofHex(text)).varint()).toThrow(SheetbendError),
  );
});

describe("what the other side may not do", () => {
  const record = (sequence: number, kind: number, ...body: ArrayLike<number>[]) =>
    encodeFrame(FrameKind.Record, [sequence, sequence], [kind], ...body);

  test.each([
    ["nothing", ""],
    ["an unknown kind", "0401"],
    ["a ping without a number", "00"],
    ["a ping with something behind it", "000100"],
    ["an acknowledgement that ends early", "010000"],
    ["a run without a gap before it", "01000000" + "0001"],
    ["an empty run", "01000000" + "0100"],
    ["half a run", "01000000" + "01"],
    ["more runs than there may be", `01000000${"0101".repeat(33)}`],
    ["a record without a kind", "020101"],
    ["a record of an unknown kind", "02010114"],
    ["a record of another unknown kind", "0201011f"],
    ["a record of a kind beyond the last", "02010126"],
    ["a record of a kind before the first", "0201010f"],
    ["a lossy message that is neither text nor binary", "030102"],
    ["a stream record without a stream", "02010123"],
    ["a label that is no UTF-8", "02010120" + "02" + "ff"],
  ])("%s", (_name, text) => {
    const link = connected();
    const effects = link.receive("relay", ofHex(text), 1);
    expect(effects).toEqual([{ effect: "broken", code: "invalid_frame" }]);
    expect(link.receive("relay", ofHex("0001"), 1)).toEqual([]);
    expect(link.pathUp("direct", 1)).toEqual([]);
    expect(link.sendLossy(bytes(1), false, 1)).toEqual([]);
    expect(link.nextDeadline()).toBeNull();
    expect(() => link.send(bytes(1), false, 1)).toThrow(expect.objectContaining({ code: "link_broken" }));
  });

  test.each([
    ["acknowledge a frame of this path that was never sent", "invalid_ack", ["01020000"]],
    ["acknowledge a record that was never sent", "invalid_ack", ["01010001"]],
    ["open a stream of ours", "invalid_stream", ["0201012001"]],
    ["open stream 0", "invalid_stream", ["0201012000"]],
    ["open a stream twice", "invalid_stream", ["0201012002", "0202022002"]],
    ["write to a stream that isn't open", "invalid_stream", ["0201012102"]],
    ["give credit for a stream that we have not opened", "invalid_stream", ["020101250107"]],
    ["give up a stream without saying why", "invalid_frame", ["0201012002", "0202022302"]],
    ["give a stream a long label", "invalid_label", [`0201012002${"61".repeat(1025)}`]],
  ])("%s", (_name, code, frames) => {
    const link = connected();
    const effects = frames.flatMap((frame) => link.receive("relay", ofHex(frame), 1));
    expect(effects.at(-1)).toEqual({ effect: "broken", code });
  });

  test("send more of a stream than was allowed", () => {
    const link = connected();
    link.receive("relay", record(1, RecordKind.StreamOpen, [2]), 1);
    const piece = new Uint8Array(1 << 14).subarray(0, 15_000);
    let number = 2;
    for (let sent = piece.length; sent <= STREAM_CREDIT_BYTES; sent += piece.length) {
      const data = record(number++, RecordKind.StreamData, [2], piece);
      expect(link.receive("relay", data, 1)).toContainEqual(
        expect.objectContaining({ effect: "stream-data" }),
      );
    }
    expect(link.receive("relay", record(number, RecordKind.StreamData, [2], piece), 1)).toEqual([
      { effect: "broken", code: "too_much_data" },
    ]);
  });

  test("send a message that is too long, in small pieces", () => {
    const link = connected();
    const piece = new Uint8Array(128);
    const count = MESSAGE_BYTES_MAX / piece.length;
    for (let sequence = 1; sequence <= count; sequence++)
      link.receive("relay", record(sequence, RecordKind.Binary, piece), 1);
    expect(link.receive("relay", record(count + 1, RecordKind.BinaryEnd, [0]), 1)).toEqual([
      { effect: "broken", code: "message_too_big" },
    ]);
  });

  test("have more than 128 streams open", () => {
    const link = connected();
    const opened = Array.from({ length: 129 }, (_, index) =>
      link.receive("relay", record(index + 1, RecordKind.StreamOpen, varint(2 * index + 2)), 1),
    );
    expect(opened.flat().filter(({ effect }) => effect === "stream-opened")).toHaveLength(128);
    expect(framesOf(opened.at(-1) ?? [])).toEqual(["020201" + "24410200", "020302" + "23410200"]);
  });
});

describe("what comes in", () => {
  const early = (sequence: number, body = bytes(sequence % 256)) =>
    encodeFrame(FrameKind.Record, [sequence, sequence], [RecordKind.BinaryEnd], body);

  test("is delivered once and in order, however often it comes", () => {
    const link = connected();
    const large = new Uint8Array(16_000);
    for (let time = 0; time < 200; time++) link.receive("relay", early(2, large), 1);
    link.receive("relay", early(3, large), 1);
    expect(dataOf(link.receive("relay", early(1), 1))).toEqual([bytes(1), large, large]);
    expect([1, 2, 3].flatMap((sequence) => dataOf(link.receive("relay", early(sequence), 1)))).toEqual([]);
  });

  test("is kept within a window, and told of at once where something is missing", () => {
    const link = connected();
    const [first] = framesOf(link.receive("relay", early(4096), 1));
    expect(first).toBe(hex(encodeFrame(FrameKind.Ack, [4096, 0, 0, 4095, 1])));
    expect(framesOf(link.receive("relay", early(4097), 1))).toEqual([]);
    const [answer] = framesOf(link.receive("relay", encodeFrame(FrameKind.Ping, [9]), 1));
    expect(answer).toBe(hex(encodeFrame(FrameKind.Ack, [4097, 0, 0, 4095, 1])));
  });

  test("is told of in up to 32 runs", () => {
    const link = connected();
    for (let sequence = 2; sequence <= 80; sequence += 2) link.receive("relay", early(sequence), 1);
    const [answer] = framesOf(link.receive("relay", encodeFrame(FrameKind.Ping, [100]), 1));
    const runs = Array.from({ length: 32 }, () => [1, 1]).flat();
    expect(answer).toBe(hex(encodeFrame(FrameKind.Ack, [100, 0, 0, ...runs])));
  });

  test("of what may get lost comes neither late nor twice", () => {
    const link = connected();
    const lossy = (sequence: number) =>
      link.receive("relay", encodeFrame(FrameKind.Lossy, [sequence], [1], bytes(sequence)), 1);
    expect([2, 1, 2, 3].flatMap((sequence) => dataOf(lossy(sequence)))).toEqual([bytes(2), bytes(3)]);
  });
});

describe("the direct path", () => {
  const answer = (link: Link, echo: number, now: number) =>
    link.receive("direct", encodeFrame(FrameKind.Ack, [echo, 0, 0]), now);

  test("is used as soon as it has answered, and after a failure once it has for a while", () => {
    const link = connected();
    const holdsS = [0, 10, 20, 30, 40, 50, 60, 91].map((now, times) => {
      if (times > 0) link.pathDown("direct", now);
      link.pathUp("direct", now);
      answer(link, times + 1, now);
      let at = now;
      while (link.path !== "direct") {
        at = link.nextDeadline() ?? Number.NaN;
        link.tick(at);
      }
      return at - now;
    });
    expect(holdsS).toEqual([0, 0.25, 0.5, 0.5, 0.5, 0.5, 0.5, 0.25]);
  });

  test("that fell quiet isn't helped by an answer that is known already", () => {
    const link = connected();
    link.pathUp("direct", 0);
    answer(link, 1, 0);
    link.send(bytes(1), false, 0.1);
    expect(link.tick(1)).toContainEqual({ effect: "path", path: "relay" });
    answer(link, 1, 1);
    expect(link.direct.isQuiet).toBe(true);
    answer(link, 2, 1);
    expect(link.direct.isQuiet).toBe(false);
  });
});

test("random frames break a link at most", () => {
  const random = randomOf(1);
  const broken = new Map<string, number>();
  for (let run = 0; run < 3000; run++) {
    const link = connected(run % 2 === 0);
    link.openStream("mine", 0.1);
    for (let step = 0; step < 20; step++) {
      const path: PathName = random() < 0.5 ? "relay" : "direct";
      const effects = link.receive(path, randomFrame(random), step / 10);
      for (const effect of effects)
        if (effect.effect === "broken") broken.set(effect.code, (broken.get(effect.code) ?? 0) + 1);
      const deadline = link.nextDeadline();
      if (deadline !== null) link.tick(deadline);
    }
  }
  expect([...broken.keys()].sort()).toEqual(["invalid_ack", "invalid_frame", "invalid_stream"]);
});

describe("what is sent", () => {
  test("has bounds", () => {
    const link = createLink({ isFirst: true });
    const codeOf = (what: () => unknown) => {
      try {
        what();
      } catch (error) {
        return error instanceof SheetbendError ? error.code : error;
      }
      return null;
    };
    const most = new Uint8Array(MESSAGE_BYTES_MAX);
    expect(codeOf(() => link.send(new Uint8Array(MESSAGE_BYTES_MAX + 1), false, 0))).toBe("message_too_big");
    expect(codeOf(() => link.sendLossy(new Uint8Array(LOSSY_BYTES_MAX + 1), false, 0))).toBe(
      "message_too_big",
    );
    expect(codeOf(() => link.openStream("é".repeat(513), 0))).toBe("invalid_label");
    for (let left = PENDING_BYTES_MAX / most.length - 1; left > 0; left--) link.send(most, false, 0);
    expect(codeOf(() => link.send(most, false, 0))).toBe("too_many_pending");
  });

  test("may be changed by its owner once it is on its way", () => {
    const link = connected();
    const data = bytes(1, 2, 3);
    const [effect] = link.send(data, false, 1);
    data.fill(9);
    frameOf(effect).fill(8);
    link.pathDown("relay", 1);
    expect(framesOf(link.pathUp("relay", 1))).toContain("02040113010203");
  });

  test("goes in turn: messages before streams, streams one record each", () => {
    const link = createLink({ isFirst: true });
    const [one] = link.openStream("one", 0);
    const [two] = link.openStream("two", 0);
    for (const stream of [one, two]) {
      link.write(stream, new Uint8Array(20_000), 0);
      link.finish(stream, 0);
    }
    link.send(new Uint8Array(20_000), true, 0);
    const frames = framesOf(link.pathUp("relay", 0));
    const kinds = frames.filter((frame) => frame.startsWith("02")).map((frame) => frame.slice(6, 10));
    expect(kinds.map((each) => (each.startsWith("1") ? each.slice(0, 2) : each))).toEqual([
      ...["2001", "2003", "10", "11"],
      ...["2101", "2103", "2101", "2103", "2201", "2203"],
    ]);
  });

  test("is never 4,096 or more ahead of the oldest unacknowledged record", () => {
    const link = connected();
    const sequences = Array.from({ length: 5000 }, () => link.send(bytes(), false, 0.1)).flatMap(sequencesOf);
    expect(sequences).toEqual(Array.from({ length: 4096 }, (_, index) => index + 1));
    const freed = link.receive("relay", encodeFrame(FrameKind.Ack, [2, 0, 1]), 0.1);
    expect(sequencesOf(freed)).toEqual([4097]);
  });

  test("is up to 2 MiB and a record where the first of it never arrives", () => {
    const link = connected();
    for (let sent = 0; sent < 3; sent++) link.send(new Uint8Array(MESSAGE_BYTES_MAX), false, 0.1);
    let last = 0;
    for (let number = 2; number < 400; number++) {
      const early = last > 1 ? [1, last - 1] : [];
      const effects = link.receive("relay", encodeFrame(FrameKind.Ack, [number, 0, 0, ...early]), 0.1);
      last = Math.max(last, ...sequencesOf(effects), 17);
    }
    expect(last).toBe(Math.ceil(2 ** 21 / 16_001));
  });

  test("is sent again in order, and what arrived isn't", () => {
    const link = connected();
    link.send(bytes(1), false, 0.1);
    link.send(bytes(2), false, 0.1);
    link.pathUp("direct", 0.1);
    link.receive("direct", encodeFrame(FrameKind.Ack, [1, 0, 0]), 0.1);
    expect(link.path).toBe("direct");
    link.send(bytes(3), false, 0.1);
    link.pathReady("relay", false, 0.1);
    link.pathDown("direct", 0.1);
    link.pathDown("relay", 0.1);
    link.receive("relay", encodeFrame(FrameKind.Ack, [2, 0, 1]), 0.1);
    expect(sequencesOf(link.pathUp("relay", 0.1))).toEqual([2, 3]);
  });

  test("isn't taken for lost where an answer may not have told of it", () => {
    const link = connected();
    for (let index = 0; index < 70; index++) link.send(bytes(index), false, 0.1);
    const everyOther = Array.from({ length: 32 }, () => [1, 1]).flat();
    const effects = link.receive("relay", encodeFrame(FrameKind.Ack, [71, 0, 0, ...everyOther]), 0.1);
    expect(sequencesOf(effects)).toEqual(Array.from({ length: 32 }, (_, index) => 2 * index + 1));
  });

  test("of a stream waits for credit, which grows where the reader keeps up, and its writer is told of place", () => {
    const [writer, reader] = [connected(true), connected(false)];
    const [stream, opened] = writer.openStream("\ufefffile", 0);
    const [hasPlace, written] = writer.write(stream, new Uint8Array(8 * STREAM_CREDIT_BYTES), 0);
    expect(hasPlace).toBe(false);
    const first = exchange(writer, reader, [...opened, ...written]);
    expect(first.to[0]).toEqual({ effect: "stream-opened", stream, label: "\ufefffile" });
    expect(dataBytes(first.to)).toBe(STREAM_CREDIT_BYTES);
    expect(first.from).toEqual([]);
    const second = exchange(reader, writer, reader.consume(stream, STREAM_CREDIT_BYTES, 0));
    expect(dataBytes(second.from)).toBe(2 * STREAM_CREDIT_BYTES);
    const third = exchange(reader, writer, reader.consume(stream, STREAM_CREDIT_BYTES, 0));
    expect(dataBytes(third.from)).toBe(STREAM_CREDIT_BYTES);
    const fourth = exchange(reader, writer, reader.consume(stream, 2 * STREAM_CREDIT_BYTES, 0));
    expect(dataBytes(fourth.from)).toBe(STREAM_CREDIT_BYTES_MAX);
    expect([...second.to, ...third.to, ...fourth.to]).toEqual([{ effect: "stream-drained", stream }]);
  });
});

test.each([1, 2, 3, 4, 5, 6, 7, 8])(
  "all arrives once and in order through a network that loses and shuffles (seed %d)",
  (seed) => {
    const random = randomOf(seed);
    const network = new Network(random);
    for (const end of network.ends) {
      const sometime = (what: () => void) => network.at(random() * 8, what);
      for (const name of ["relay", "direct"] as const) end.call((link, now) => link.pathUp(name, now));
      for (let index = 0; index < 150; index++) {
        const size = Math.floor(random() * (random() < 0.05 ? 60_000 : 300));
        sometime(() => end.say(`${index} ${"é".repeat(size)}`));
        if (index % 5 === 0)
          sometime(() => end.call((link, now) => link.sendLossy(bytes(index), false, now)));
      }
      sometime(() => end.writeFile(Uint8Array.from({ length: 700_000 }, (_, at) => at * seed)));
      for (let index = 0; index < 6; index++) {
        const name = random() < 0.5 ? "relay" : "direct";
        sometime(() => {
          end.call((link, now) => link.pathDown(name, now));
          network.at(network.now + random(), () => end.call((link, now) => link.pathUp(name, now)));
        });
      }
    }
    network.run(40);
    for (const end of network.ends) {
      expect(end.other.delivered).toEqual(end.sent);
      expect(end.acknowledged).toBe(150);
      expect(end.other.lossy).toEqual([...new Set(end.other.lossy)]);
      expect(end.other.isFileEnded).toBe(true);
      expect(Buffer.concat(end.other.pieces).equals(end.file)).toBe(true);
    }
  },
);

/** Two links on simulated time, with paths that lose a tenth and keep no order. */
class Network {
  now = 0;
  readonly ends: readonly [End, End];
  readonly random: () => number;
  #events: { at: number; what: () => void }[] = [];

  constructor(random: () => number) {
    this.random = random;
    const [first, second] = [new End(this, true), new End(this, false)];
    first.other = second;
    second.other = first;
    this.ends = [first, second];
  }

  at(at: number, what: () => void): void {
    const place = this.#events.findLastIndex((event) => event.at <= at) + 1;
    this.#events.splice(place, 0, { at, what });
  }

  run(until: number): void {
    for (let event = this.#events.shift(); event && event.at < until; event = this.#events.shift()) {
      this.now = event.at;
      event.what();
    }
  }
}

class End {
  readonly link: Link;
  readonly sent: string[] = [];
  readonly delivered: string[] = [];
  readonly lossy: number[] = [];
  acknowledged = 0;
  file: Uint8Array = bytes();
  readonly pieces: Uint8Array[] = [];
  isFileEnded = false;
  readonly #network: Network;
  #wakesAt = Number.POSITIVE_INFINITY;
  #other: End | null = null;

  constructor(network: Network, isFirst: boolean) {
    this.#network = network;
    this.link = createLink({ isFirst });
  }

  get other(): End {
    if (this.#other === null) throw new Error("This end has no other.");
    return this.#other;
  }

  set other(end: End) {
    this.#other = end;
  }

  say(text: string): void {
    this.sent.push(text);
    this.call((link, now) => link.send(encoder.encode(text), true, now));
  }

  writeFile(data: Uint8Array): void {
    this.file = data;
    this.call((link, now) => {
      const [stream, opened] = link.openStream("file", now);
      const [, written] = link.write(stream, data, now);
      return [...opened, ...written, ...link.finish(stream, now)];
    });
  }

  call(verb: (link: Link, now: number) => LinkEffect[]): void {
    for (const effect of verb(this.link, this.#network.now)) this.#do(effect);
    const at = this.link.nextDeadline();
    if (at === null || at >= this.#wakesAt) return;
    this.#wakesAt = at;
    this.#network.at(at, () => {
      this.#wakesAt = Number.POSITIVE_INFINITY;
      this.call((link, now) => link.tick(now));
    });
  }

  #do(effect: LinkEffect): void {
    const network = this.#network;
    switch (effect.effect) {
      case "transmit": {
        const { path, frame } = effect;
        expect(frame.length).toBeLessThan(16_384);
        if (network.random() < 0.1) return;
        const at = network.now + 0.02 + 0.02 * network.random();
        network.at(at, () => this.other.call((link, now) => link.receive(path, frame, now)));
        break;
      }
      case "delivered":
        if (effect.reliable) this.delivered.push(new TextDecoder().decode(effect.data));
        else this.lossy.push(...effect.data);
        break;
      case "acknowledged":
        expect(effect.message).toBeGreaterThan(this.acknowledged);
        expect(this.other.delivered.length).toBeGreaterThanOrEqual(effect.message);
        this.acknowledged = effect.message;
        break;
      case "stream-data": {
        const { stream, data } = effect;
        this.pieces.push(data);
        network.at(network.now, () => this.call((link, now) => link.consume(stream, data.length, now)));
        break;
      }
      case "stream-ended":
        this.isFileEnded = true;
        break;
      case "broken":
        throw new Error(`The link broke: ${effect.code}`);
    }
  }
}

/** Has two links talk until neither has anything more to say. Returns what else they want done. */
function exchange(from: Link, to: Link, effects: LinkEffect[]): { from: LinkEffect[]; to: LinkEffect[] } {
  const others: LinkEffect[] = [];
  const answers: LinkEffect[] = [];
  for (const effect of effects) {
    if (effect.effect === "transmit") answers.push(...to.receive(effect.path, effect.frame, 0));
    else others.push(effect);
  }
  if (effects.length === 0) return { from: others, to: [] };
  const next = exchange(to, from, [...answers, ...to.tick(0.02)]);
  return { from: [...others, ...next.to], to: next.from };
}

/** A link with the relay up, and nothing waiting. */
function connected(isFirst = true): Link {
  const link = createLink({ isFirst });
  link.pathUp("relay", 0);
  link.receive("relay", ofHex("01010000"), 0);
  return link;
}

function frameOf(effect: LinkEffect | undefined): Uint8Array {
  if (effect?.effect !== "transmit") throw new Error(`Not a frame: ${effect?.effect}`);
  return effect.frame;
}

function dataBytes(effects: LinkEffect[]): number {
  return effects.reduce((sum, effect) => sum + (effect.effect === "stream-data" ? effect.data.length : 0), 0);
}

function dataOf(effects: LinkEffect[]): Uint8Array[] {
  return effects.flatMap((effect) => (effect.effect === "delivered" ? [effect.data] : []));
}

/** Which records are sent. */
function sequencesOf(effects: LinkEffect[]): number[] {
  return effects.flatMap((effect) => {
    if (effect.effect !== "transmit") return [];
    const reader = new Reader(effect.frame);
    if (reader.byte() !== FrameKind.Record) return [];
    reader.varint();
    return [reader.varint()];
  });
}

function framesOf(effects: LinkEffect[]): string[] {
  return effects.flatMap((effect) => (effect.effect === "transmit" ? [hex(effect.frame)] : []));
}

/** Any bytes, or what is nearly a frame. */
function randomFrame(random: () => number): Uint8Array {
  const small = () => Math.floor(random() ** 3 * 40);
  const any = (size: number) => Uint8Array.from({ length: size }, () => random() * 256);
  if (random() < 0.02) return any(small());
  const kind = Math.floor(random() * 4);
  if (kind === FrameKind.Ping) return encodeFrame(kind, [small()]);
  if (kind === FrameKind.Lossy) return encodeFrame(kind, [small()], [small() % 2], any(small()));
  if (kind === FrameKind.Ack) return encodeFrame(kind, Array.from({ length: 3 + 2 * small() }, small));
  const recordKind = random() < 0.4 ? 0x10 + Math.floor(random() * 4) : 0x20 + Math.floor(random() * 6);
  return encodeFrame(kind, [small(), 1 + small()], [recordKind], varint(1 + small()), any(small()));
}

/** Mulberry32. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
