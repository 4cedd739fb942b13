import { beforeEach, expect, test } from "vitest";
import { SheetbendError } from "../src/errors.js";
import type { Say, Update } from "../src/messages.js";
import { Requests } from "../src/requests.js";

let ready: boolean;
let sent: string[];
let requests: Requests;
const say = (ref: string): Say => ({ type: "message", roomId: "r", data: 1, ref });
const message = { build: say, repeatable: false };
const update = { build: (ref: string): Update => ({ type: "update", roomId: "r", ref }), repeatable: true };

beforeEach(() => {
  ready = true;
  sent = [];
  requests = new Requests(
    () => ready,
    ({ ref }) => sent.push(ref),
  );
});

test("a request settles with the offset of its event, whatever the order of answers", async () => {
  const [first, second] = [requests.add(message), requests.add(message)];
  requests.resolve(sent[1], 8);
  requests.resolve(sent[0], 9);
  expect(await Promise.all([first, second])).toEqual([9, 8]);
});

test("an answer counts once, and answers to others count for nothing", async () => {
  const request = requests.add(message);
  requests.resolve("other", 1);
  requests.resolve(undefined, 2);
  requests.resolve(sent[0], 3);
  expect(requests.reject(sent[0], new SheetbendError("closed", ""))).toBe(false);
  expect(await request).toBe(3);
});

test("what is asked without a connection is sent once there is one, in order", () => {
  ready = false;
  void requests.add(message);
  void requests.add(update);
  expect(sent).toEqual([]);
  ready = true;
  requests.flush();
  requests.flush();
  expect(sent).toEqual(["1", "2"]);
});

test("when the connection breaks, what may not be repeated is rejected, the rest sent again", async () => {
  const lost = requests.add(message);
  void requests.add(update);
  ready = false;
  const waiting = requests.add(message);
  requests.lost();
  await expect(lost).rejects.toMatchObject({ code: "connection_lost", retryable: true });
  ready = true;
  requests.flush();
  expect(sent).toEqual(["1", "2", "2", "3"]);
  requests.resolve("3", 5);
  expect(await waiting).toBe(5);
});

test("a request that can't be said yet holds back those behind it", () => {
  let target: Say | null = null;
  void requests.add({ build: () => target, repeatable: false });
  void requests.add(message);
  expect(sent).toEqual([]);
  target = say("1");
  requests.flush();
  expect(sent).toEqual(["1", "2"]);
});

test("a request that can't be sent is rejected, and the next one isn't held up", async () => {
  const bad = requests.add({
    build: () => {
      throw new SheetbendError("message_too_big", "");
    },
    repeatable: false,
  });
  void requests.add(message);
  await expect(bad).rejects.toMatchObject({ code: "message_too_big" });
  expect(sent).toEqual(["2"]);
});

test("at most 256 wait", async () => {
  const waiting = Array.from({ length: 256 }, () => requests.add(message));
  await expect(requests.add(message)).rejects.toMatchObject({ code: "too_many_pending" });
  requests.resolve(sent[0], 1);
  await waiting[0];
  void requests.add(message);
  expect(sent).toHaveLength(257);
});

test("closing rejects everything", async () => {
  const pending = requests.add(message);
  requests.close(new SheetbendError("closed", ""));
  await expect(pending).rejects.toMatchObject({ code: "closed" });
});
