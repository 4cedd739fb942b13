/** What Python's links did in simulated runs, step by step: their twin must do the same. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { LinkEffect, PathName } from "../src/link/effects.js";
import { createLink, type Link } from "../src/link/link.js";

/** Bytes are hexadecimal, where `(ab*16000)` stands for so many of a byte. */
type Input =
  | { verb: "pathUp" | "pathDown"; arguments: [path: PathName] }
  | { verb: "pathReady"; arguments: [path: PathName, isReady: boolean] }
  | { verb: "receive"; arguments: [path: PathName, frame: string] }
  | { verb: "tick"; arguments: [] }
  | { verb: "send" | "sendLossy"; arguments: [data: string, isText: boolean] }
  | { verb: "openStream"; arguments: [label: string] }
  | { verb: "write"; arguments: [stream: number, data: string] }
  | { verb: "finish"; arguments: [stream: number] }
  | { verb: "reset" | "stop"; arguments: [stream: number, reason: number] }
  | { verb: "consume"; arguments: [stream: number, size: number] };

type Step = Input & { at: number; effects: object[]; deadline: number | null; answer?: number | boolean };

interface Trace {
  name: string;
  isFirst: boolean;
  steps: Step[];
}

const DEADLINE_DIGITS = 9;

const url = new URL("../../../protocol/fixtures/link-traces.json", import.meta.url);
/** Python's name for the one field that is two words. */
const text = readFileSync(url, "utf8").replaceAll('"is_text":', '"isText":');
const traces: Trace[] = JSON.parse(text).traces;

test.each(traces.map((trace) => [trace.name, trace] as const))("%s", (_name, { isFirst, steps }) => {
  const link = createLink({ isFirst });
  for (const [index, step] of steps.entries()) {
    const where = `step ${index}, ${step.verb} at ${step.at}`;
    const [answer, effects] = take(link, step, step.at);
    expect(effects.map(recorded), where).toEqual(step.effects);
    expect(answer, where).toEqual(step.answer);
    const deadline = link.nextDeadline();
    if (step.deadline === null) expect(deadline, where).toBeNull();
    else expect(deadline, where).toBeCloseTo(step.deadline, DEADLINE_DIGITS);
  }
});

function take(link: Link, step: Step, now: number): [answer: Step["answer"], effects: LinkEffect[]] {
  switch (step.verb) {
    case "receive": {
      const [path, frame] = step.arguments;
      return [undefined, link.receive(path, bytesOf(frame), now)];
    }
    case "pathReady":
      return [undefined, link.pathReady(...step.arguments, now)];
    case "tick":
      return [undefined, link.tick(now)];
    case "send":
    case "sendLossy": {
      const [data, isText] = step.arguments;
      return [undefined, link[step.verb](bytesOf(data), isText, now)];
    }
    case "openStream":
      return link.openStream(...step.arguments, now);
    case "write": {
      const [stream, data] = step.arguments;
      return link.write(stream, bytesOf(data), now);
    }
    case "reset":
    case "stop":
      return [undefined, link[step.verb](...step.arguments, now)];
    case "consume":
      return [undefined, link.consume(...step.arguments, now)];
    case "finish":
      return [undefined, link.finish(...step.arguments, now)];
    case "pathUp":
    case "pathDown":
      return [undefined, link[step.verb](...step.arguments, now)];
  }
}

/** An effect as Python writes it down. */
function recorded(effect: LinkEffect): object {
  const fields = Object.entries<string | number | boolean | Uint8Array | null>(effect);
  return Object.fromEntries(
    fields.map(([key, value]) => [key, value instanceof Uint8Array ? textOf(value) : value]),
  );
}

function bytesOf(text: string): Uint8Array {
  const hex = text.replace(/\((..)\*(\d+)\)/g, (_run, byte: string, count: string) =>
    byte.repeat(Number(count)),
  );
  return Uint8Array.from(Buffer.from(hex, "hex"));
}

function textOf(data: Uint8Array): string {
  const characters = Buffer.from(data).toString("latin1");
  const hexOf = (bytes: string) => Buffer.from(bytes, "latin1").toString("hex");
  return characters.replace(/(.)\1{15,}|./gs, (run: string, byte?: string) =>
    byte === undefined ? hexOf(run) : `(${hexOf(byte)}*${run.length})`,
  );
}
