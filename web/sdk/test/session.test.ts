import { readFileSync } from "node:fs";
import { beforeEach, describe, expect, test } from "vitest";
import type { Welcome } from "../src/messages.js";
import { fullJitter } from "../src/reconnect-policy.js";
import { createSession, type Session } from "../src/session.js";

const read = (path: string) =>
  JSON.parse(readFileSync(new URL(`../../../protocol/${path}`, import.meta.url), "utf8"));
const uncounted: string[] = read("codes.json").uncounted;

const WELCOME: Welcome = {
  type: "welcome",
  features: [],
  userId: "0".repeat(32),
  iceServers: [],
  limits: { pingIntervalS: 15 },
  resumeToken: "r1",
};

let session: Session;

beforeEach(() => {
  const policy = fullJitter({ random: () => 0.5 });
  session = createSession({ client: "test", policy, random: () => 0.5, refreshes: false });
});

/** The count of received messages that another connection names. */
function received(): number {
  session.closed(1006, "", 0);
  session.expire(1e6);
  const [hello] = session.opened();
  return hello?.effect === "transmit" ? JSON.parse(hello.text).resume.received : Number.NaN;
}

describe.each(Object.entries<{ valid: never[] }>(read("fixtures/v1-server.json").messages))(
  "%s",
  (type, { valid }) => {
    test(`${uncounted.includes(type) ? "isn't" : "is"} counted`, () => {
      session.start(0);
      session.opened();
      session.received(WELCOME, 0);
      const [example] = valid;
      if (example) session.received(example, 0);
      expect(received()).toBe(uncounted.includes(type) ? 0 : 1);
    });
  },
);

test("a token that comes after the end changes nothing", () => {
  const policy = fullJitter({ random: () => 0.5 });
  session = createSession({ client: "test", policy, random: () => 0.5, refreshes: true });
  session.start(0);
  session.opened();
  session.received(WELCOME, 0);
  session.closed(4002, "", 1);
  expect(session.awaitsToken).toBe(true);
  session.close();
  expect(session.awaitsToken).toBe(false);
  expect(session.authorize("new", 2)).toEqual([]);
  expect(session.nextDeadline()).toBeNull();
});

test("what nobody knows is counted all the same", () => {
  session.start(0);
  session.opened();
  session.received(WELCOME, 0);
  session.received({ type: "unknown" }, 0);
  expect(received()).toBe(1);
});

test("more than can be kept while away begins another session, honestly", () => {
  session.start(0);
  session.opened();
  session.received(WELCOME, 0);
  session.closed(1006, "", 0);
  for (let count = 0; count < 5000; count++) session.send("{}");
  session.expire(1000);
  session.opened();
  const effects = session.received({ ...WELCOME, recovered: true, received: 0 }, 1000);
  expect(effects.map(({ effect }) => effect)).toEqual(["transmit", "disconnect", "lost", "open"]);
  expect(session.opened().map(({ effect }) => effect)).toEqual(["transmit", "greeted"]);
  expect(session.received(WELCOME, 1000)).toEqual([
    { effect: "welcomed", welcome: WELCOME, recovered: false },
  ]);
});
