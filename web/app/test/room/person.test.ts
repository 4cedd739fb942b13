import type { Member, MemberConnection, MemberEvents } from "sheetbend";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LevelMeters } from "../../src/media/level-meters.js";
import { CONNECTING_MAX_MS, Person } from "../../src/room/person.js";

/** A member without streams whose connection the test sets. */
function fakeMember() {
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
    getStats: () => Promise.reject(new Error("not in this test")),
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
  return { member, connect };
}

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

  it("waits for nothing when the person is gone", () => {
    const { member } = fakeMember();
    new Person(member, new LevelMeters()).dispose();
    expect(vi.getTimerCount()).toBe(0);
  });
});
