import { expect, test, vi } from "vitest";
import { createEmitter } from "../src/emitter.js";

interface Events {
  said: [text: string, loud: boolean];
}

test("calls each listener with the values, until it is taken off", () => {
  const emitter = createEmitter<Events>();
  const [first, second] = [vi.fn(), vi.fn()];
  const off = emitter.on("said", first);
  emitter.on("said", second);
  emitter.emit("said", "hi", true);
  off();
  emitter.off("said", second);
  emitter.emit("said", "again", false);
  expect(first.mock.calls).toEqual([["hi", true]]);
  expect(second.mock.calls).toEqual([["hi", true]]);
});

test("once is once, even if the event comes again meanwhile", () => {
  const emitter = createEmitter<Events>();
  const listener = vi.fn(() => emitter.emit("said", "inner", false));
  emitter.once("said", listener);
  emitter.emit("said", "outer", false);
  expect(listener).toHaveBeenCalledTimes(1);
});

test("a listener that throws is reported, and disturbs neither the others nor the caller", () => {
  const emitter = createEmitter<Events>();
  const reports: (() => void)[] = [];
  vi.stubGlobal("queueMicrotask", (report: () => void) => reports.push(report));
  const other = vi.fn();
  emitter.on("said", () => {
    throw new Error("broken listener");
  });
  emitter.on("said", other);
  emitter.emit("said", "hi", false);
  vi.unstubAllGlobals();
  expect(other).toHaveBeenCalled();
  expect(reports).toHaveLength(1);
  expect(reports[0]).toThrow("broken listener");
});
