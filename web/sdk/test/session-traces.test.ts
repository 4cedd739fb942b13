/** What the Python session did in simulated runs, step by step: its twin must do the same. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { ServerMessage, Welcome } from "../src/messages.js";
import { fullJitter } from "../src/reconnect-policy.js";
import { createSession, type Effect, type Session } from "../src/session.js";

type Input =
  | { type: "start" | "opened" | "heard" | "expire" | "networkBack" | "close" }
  | { type: "received"; message: ServerMessage }
  | { type: "closed"; code: number; reason: string }
  | { type: "send"; message: object }
  | { type: "authorize"; token: string };

/** Times in seconds; `random` is what was drawn in this step. */
interface Step {
  now: number;
  input: Input;
  random: number[];
  effects: object[];
  deadline: number | null;
}

interface Trace {
  name: string;
  token: string | null;
  refreshes: boolean;
  steps: Step[];
}

/** Sums of milliseconds are rounded otherwise than sums of seconds. */
const ROUNDING_MS = 1e-5;

const url = new URL("../../../protocol/fixtures/session-traces.json", import.meta.url);
const traces: Trace[] = JSON.parse(readFileSync(url, "utf8")).traces;

test.each(traces.map((trace) => [trace.name, trace] as const))("%s", (_name, { token, refreshes, steps }) => {
  let draws: number[] = [];
  const random = () => draws.shift() ?? Number.NaN;
  const session = createSession({ client: "simulator", policy: fullJitter({ random }), random, refreshes });
  if (token !== null) session.authorize(token, 0);
  for (const [index, { now, input, random: drawn, effects, deadline }] of steps.entries()) {
    draws = [...drawn];
    const done = take(session, input, now * 1000);
    const step = `step ${index}, ${input.type}`;
    expect(done.map(recorded), step).toEqual(effects);
    expect(draws, step).toEqual([]);
    const at = session.nextDeadline();
    if (deadline === null) expect(at, step).toBeNull();
    else expect(at, step).toBeCloseTo(deadline * 1000, 3);
  }
});

function take(session: Session, input: Input, now: number): Effect[] {
  switch (input.type) {
    case "start":
      return session.start(now);
    case "opened":
      return session.opened();
    case "received":
      return session.received(input.message, now);
    case "heard":
      session.heard(now);
      return [];
    case "closed":
      return session.closed(input.code, input.reason, now);
    case "send":
      return session.send(JSON.stringify(input.message));
    case "authorize":
      return session.authorize(input.token, now);
    case "networkBack":
      return session.networkBack(now);
    case "expire":
      return session.expire(nearby(session.nextDeadline(), now) ?? now);
    case "close":
      return session.close();
  }
}

function nearby(at: number | null, now: number): number | null {
  return at !== null && Math.abs(at - now) < ROUNDING_MS ? at : null;
}

/** An effect as the Python session writes it down. */
function recorded(effect: Effect): object {
  if (effect.effect === "transmit") return { effect: "transmit", message: JSON.parse(effect.text) };
  if (effect.effect !== "welcomed" && effect.effect !== "ended") return effect;
  return Object.fromEntries(
    Object.entries<string | number | boolean | Welcome | null>(effect).filter(([, value]) => value !== null),
  );
}
