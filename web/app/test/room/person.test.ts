import type { Member, MemberConnection, MemberEvents, Path } from "sheetbend";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LevelMeters } from "../../src/media/level-meters.js";
import { CONNECTING_MAX_MS, Person } from "../../src/room/person.js";

/** A member without streams whose connection the test sets. */
function fakeMember() {
  const stats = new Map<string, object>();
  const listeners: { [K in keyof MemberEvents]?: (...values: MemberEvents[K]) => void } = {};
  const member = {
    key: "1",
    userId: "",
    name: "Ana",
    attributes: {},
    can: new Set(["message"] as const),
    muted: false,
    subject: null,
    connection: "connecting" as MemberConnection,
    streams: new Map(),
    path: null as Path | null,
    rttMs: null as number | null,
    rates: { sent: 0, received: 0 },
    sealing: "keys" as const,
    safetyWords: null as readonly number[] | null,
    getStats: async (): Promise<RTCStatsReport> => stats,
    send: () => Promise.reject(new Error("not in this test")),
    stream: () => {
      throw new Error("not in this test");
    },
    on<K extends keyof MemberEvents>(type: K, listener: (...values: MemberEvents[K]) => void) {
      Object.assign(listeners, { [type]: listener });
      return () => {
        delete listeners[type];
      };
    },
    once: () => () => undefined,
    off: () => undefined,
  } satisfies Member;
  const connect = (state: MemberConnection) => {
    member.connection = state;
    listeners.connection?.(state);
  };
  const move = (path: Path | null) => {
    member.path = path;
    listeners.path?.(path);
  };
  const compare = (words: readonly number[]) => {
    member.safetyWords = words;
    listeners.safetywords?.(words);
  };
  return { member, connect, move, compare, stats };
}

describe("the quality of a connection", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  it("is that of the path in use, read every two seconds", async () => {
    const { member, move, stats } = fakeMember();
    const person = new Person(member, new LevelMeters());
    const inbound = { type: "inbound-rtp", packetsLost: 0, jitter: 0, bytesReceived: 0 };
    expect(person.quality.value).toBeNull();
    move("relay");
    expect(person.quality.value).toMatchObject({ path: "relay", rttMs: null, grade: null });
    member.rttMs = 40;
    stats.set("video", { ...inbound, timestamp: 1000, packetsReceived: 10 });
    await vi.advanceTimersByTimeAsync(2000);
    expect(person.quality.value).toMatchObject({ rttMs: 40, lossShare: null, grade: "good" });
    stats.set("video", {
      ...inbound,
      timestamp: 3000,
      packetsReceived: 100,
      packetsLost: 10,
      bytesReceived: 500,
    });
    await vi.advanceTimersByTimeAsync(2000);
    expect(person.quality.value).toMatchObject({ lossShare: 0.1, bitsPerS: 2000, grade: "good" });
    stats.set("video", { ...inbound, timestamp: 5000, packetsReceived: 190, packetsLost: 20 });
    await vi.advanceTimersByTimeAsync(2000);
    expect(person.quality.value).toMatchObject({ grade: "poor" });
    move("direct");
    expect(person.quality.value).toMatchObject({ path: "direct", grade: "good" });
    move(null);
    expect(person.quality.value).toBeNull();
  });

  it("survives statistics that can't be read", async () => {
    const { member, move } = fakeMember();
    member.getStats = () => Promise.reject(new DOMException("closed", "InvalidStateError"));
    const person = new Person(member, new LevelMeters());
    move("relay");
    member.rttMs = 40;
    await vi.advanceTimersByTimeAsync(2000);
    expect(person.quality.value).toMatchObject({ rttMs: 40, grade: "good" });
  });

  it("has words to compare, which are to be compared anew when others come", () => {
    const { member, compare } = fakeMember();
    const person = new Person(member, new LevelMeters());
    compare([1, 2, 3]);
    person.setVerified(true);
    expect([person.safetyWords.value, person.verified.value]).toEqual([[1, 2, 3], true]);
    compare([4, 5, 6]);
    expect([person.safetyWords.value, person.verified.value]).toEqual([[4, 5, 6], false]);
  });
});

describe("the connection of a person", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  it("is silent when nothing has come of it for long", () => {
    const { member, connect } = fakeMember();
    const person = new Person(member, new LevelMeters());
    vi.advanceTimersByTime(CONNECTING_MAX_MS - 1);
    expect(person.connection.value).toBe("connecting");
    vi.advanceTimersByTime(1);
    expect(person.connection.value).toBe("silent");
    connect("connected");
    expect(person.connection.value).toBe("connected");
  });

  it("isn't silent once it was there", () => {
    const { member, connect } = fakeMember();
    const person = new Person(member, new LevelMeters());
    connect("connected");
    vi.advanceTimersByTime(2 * CONNECTING_MAX_MS);
    expect(person.connection.value).toBe("connected");
  });

  it("is unverified when they came with another link, until a connection says otherwise", () => {
    const { member, connect } = fakeMember();
    const person = new Person(member, new LevelMeters());
    person.refuse();
    vi.advanceTimersByTime(2 * CONNECTING_MAX_MS);
    expect(person.connection.value).toBe("unverified");
    connect("connected");
    expect(person.connection.value).toBe("connected");
  });

  it("waits for nothing when the person is gone", () => {
    const { member } = fakeMember();
    new Person(member, new LevelMeters()).dispose();
    expect(vi.getTimerCount()).toBe(0);
  });
});
