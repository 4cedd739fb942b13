import { beforeEach, expect, test } from "vitest";
import { SheetbendError } from "../src/errors.js";
import type { Moderate, Say, Update } from "../src/messages.js";
import { createRequests, type Known, type RequestMessage, type Requests } from "../src/requests.js";

let ready: boolean;
let sent: RequestMessage[];
let requests: Requests;
const say = (ref: string): Say => ({ type: "message", roomId: "r", data: 1, id: ref, ref });
const sayTo = (ref: string): Say => ({ ...say(ref), to: ["a"] });
const update = (ref: string): Update => ({ type: "update", roomId: "r", ref });
const refs = () => sent.map(({ ref }) => ref);
const at = (offset: number) => ({ offset, epoch: "e" });
const nothing: Known = { complete: true, placeOf: () => null };

beforeEach(() => {
  ready = true;
  sent = [];
  let count = 0;
  requests = createRequests(
    () => ready,
    (message) => sent.push(message),
    () => `${++count}`,
  );
});

test("a request settles with the place of its event, whatever the order of answers", async () => {
  const [first, second] = [requests.add(say), requests.add(say)];
  requests.resolve("2", at(8));
  requests.resolve("1", at(9));
  expect(await Promise.all([first, second])).toEqual([at(9), at(8)]);
});

test("an answer counts once, and answers to others count for nothing", async () => {
  const request = requests.add(say);
  requests.resolve("other", at(1));
  requests.resolve(undefined, at(2));
  requests.resolve("1", at(3));
  expect(requests.reject("1", new SheetbendError("closed", ""))).toBe(false);
  expect(await request).toEqual(at(3));
});

test("what is asked before the room is there is sent once it is, in order", () => {
  ready = false;
  void requests.add(say);
  void requests.add(update);
  expect(sent).toEqual([]);
  ready = true;
  requests.flush();
  requests.flush();
  expect(refs()).toEqual(["1", "2"]);
});

test("at most 128 messages are on their way, and what is behind them waits in order", async () => {
  const [first, second] = [requests.add(say), requests.add(say)];
  for (let count = 2; count < 130; count++) void requests.add(say);
  void requests.add(update);
  expect(sent).toHaveLength(128);
  requests.resolve("1", at(1));
  await first;
  expect(refs().at(-1)).toBe("129");
  requests.reject("2", new SheetbendError("muted", ""));
  await expect(second).rejects.toMatchObject({ code: "muted" });
  expect(refs().at(-1)).toBe("130");
  requests.resolve("3", at(2));
  expect(refs().at(-1)).toBe("131");
});

test("in another session a message that the history has is accepted", async () => {
  const message = requests.add(say);
  requests.restart({ complete: false, placeOf: (id) => (id === "1" ? at(7) : null) });
  expect(await message).toEqual(at(7));
});

test("one that a complete history doesn't have is sent again, under the same id and before those that waited", async () => {
  void requests.add(say);
  ready = false;
  void requests.add(say);
  requests.restart(nothing);
  ready = true;
  requests.flush();
  expect(sent).toEqual([say("1"), say("1"), say("2")]);
});

test.each([
  ["one that an incomplete history doesn't have", say, { complete: false, placeOf: () => null }],
  ["one to some members only, which no history has", sayTo, nothing],
])("%s is lost track of", async (_name, build, known) => {
  const message = requests.add(build);
  requests.restart(known);
  await expect(message).rejects.toMatchObject({ code: "delivery_unknown", retryable: true });
  requests.flush();
  expect(sent).toHaveLength(1);
});

test("what wasn't sent yet, and what isn't a message, is sent in the other session whatever the history says", () => {
  void requests.add(update);
  ready = false;
  void requests.add(sayTo);
  requests.restart({ complete: false, placeOf: () => null });
  ready = true;
  requests.flush();
  expect(sent).toEqual([update("1"), update("1"), sayTo("2")]);
});

test("a request for silence, which nobody answers, is done when it is sent", async () => {
  const mute: Moderate = { type: "mute", roomId: "r", userId: "a", media: ["audio"], ref: "1" };
  ready = false;
  const asked = requests.add(() => mute);
  ready = true;
  requests.flush();
  await asked;
  expect(requests.reject("1", new SheetbendError("not_allowed", ""))).toBe(false);
});

test("a request that can't be said yet holds back those behind it", () => {
  let target: Say | null = null;
  void requests.add(() => target);
  void requests.add(say);
  expect(sent).toEqual([]);
  target = say("1");
  requests.flush();
  expect(refs()).toEqual(["1", "2"]);
});

test("a request that can't be sent is rejected, and the next one isn't held up", async () => {
  const bad = requests.add(() => {
    throw new SheetbendError("message_too_big", "");
  });
  void requests.add(say);
  await expect(bad).rejects.toMatchObject({ code: "message_too_big" });
  expect(refs()).toEqual(["2"]);
});

test("at most 256 wait", async () => {
  const waiting = Array.from({ length: 256 }, () => requests.add(say));
  await expect(requests.add(say)).rejects.toMatchObject({ code: "too_many_pending" });
  requests.resolve("1", at(1));
  await waiting[0];
  void requests.add(say);
});

test("closing rejects everything", async () => {
  const pending = requests.add(say);
  requests.close(new SheetbendError("closed", ""));
  await expect(pending).rejects.toMatchObject({ code: "closed" });
});
