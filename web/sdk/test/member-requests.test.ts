/** Requests between members, over whole clients: one answer each, or an error that says what it was. */
import { beforeEach, expect, test } from "vitest";
import { answerRequests, type Request, RequestError, request } from "../src/member-requests/index.js";
import { type Client, World } from "./fakes/world.js";

let world: World;
let ada: Client;
let bob: Client;

beforeEach(async () => {
  world = new World();
  const [first, second] = await world.call(2);
  if (!first || !second) throw new Error("no call");
  [ada, bob] = [first, second];
});

/** Lets the clients' clock run until `promise` has settled. */
async function running<Value>(promise: Promise<Value>): Promise<Value> {
  let isDone = false;
  const done = () => {
    isDone = true;
  };
  promise.then(done, done);
  for (let turn = 0; !isDone && turn < 2000; turn++) await world.clock.advance(10);
  return promise;
}

function asked(): Promise<Request> {
  return new Promise((resolve) => {
    const stop = answerRequests(bob.other, (each) => {
      stop();
      resolve(each);
    });
  });
}

const codeOf = (error: unknown) => (error instanceof RequestError ? error.code : error);

test.each([
  ["how far?", "2 m"],
  [new Uint8Array([0, 255]), new Uint8Array([])],
  ["", "ä"],
])("%o is answered with %o", async (question, reply) => {
  const arriving = asked();
  const asking = request(ada.other, question);
  const arrived = await running(arriving);
  expect(arrived.data).toEqual(question);
  await running(arrived.reply(reply));
  expect(await running(asking)).toEqual(reply);
});

test("a refusal says why to programs and people", async () => {
  const arriving = asked();
  const asking = request(ada.other, "jump").catch((error: unknown) => error);
  await running((await running(arriving)).refuse("no_legs", "I only have wheels."));
  const error = await running(asking);
  expect(error).toMatchObject({ code: "request_refused", reason: "no_legs", message: "I only have wheels." });
});

test("a reason is a word", async () => {
  const arriving = asked();
  const asking = request(ada.other, "jump").catch(codeOf);
  const arrived = await running(arriving);
  expect(await arrived.refuse("Not now!").catch(codeOf)).toBe("invalid_argument");
  await running(arrived.refuse("not_now"));
  expect(await running(asking)).toBe("request_refused");
});

test("who waited too long says so, and the answer is not wanted any more", async () => {
  const arriving = asked();
  const asking = request(ada.other, "?", { timeoutMs: 1 }).catch(codeOf);
  const arrived = await running(arriving);
  expect(await running(asking)).toBe("request_timed_out");
  const late = await running(arrived.reply("!").catch((error: unknown) => error));
  expect(late).toMatchObject({ code: "stream_stopped" });
});

test("a wait is ended by its signal", async () => {
  const stop = new AbortController();
  const arriving = asked();
  const asking = request(ada.other, "?", { signal: stop.signal }).catch((error: unknown) => error);
  await running(arriving);
  stop.abort("enough");
  expect(await running(asking)).toBe("enough");
  expect(await request(ada.other, "?", { signal: stop.signal }).catch((error: unknown) => error)).toBe(
    "enough",
  );
});

test("more than 1 MiB is refused here", async () => {
  expect(await request(ada.other, new Uint8Array((1 << 20) + 1)).catch(codeOf)).toBe("invalid_argument");
});

test.each([[[]], [[3]], [[2, 123]], [[2, ...new TextEncoder().encode('{"reason":"<b>","sentence":""}')]]])(
  "the answer %o is an error of the member",
  async (answer) => {
    bob.other.on("stream", async ({ writable }) => {
      const writer = writable.getWriter();
      if (answer.length > 0) await writer.write(Uint8Array.from(answer));
      await writer.close();
    });
    expect(await running(request(ada.other, "?").catch(codeOf))).toBe("invalid_reply");
  },
);

test("what isn't a request is none", async () => {
  let requests = 0;
  answerRequests(bob.other, () => requests++);
  const stream = ada.other.stream("sheetbend:request");
  const writer = stream.writable.getWriter();
  await writer.write(Uint8Array.of(7));
  await writer.close();
  await running(
    stream.readable
      .getReader()
      .read()
      .catch(() => {}),
  );
  expect(requests).toBe(0);
});
