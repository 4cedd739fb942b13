/** Files between members, over whole clients: what arrives, and what becomes of a transfer that breaks off. */
import { beforeEach, expect, test } from "vitest";
import { FileError, type FileOffer, receiveFiles, sendFile } from "../src/files/index.js";
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

function aFile(size: number, name = "cat.jpg"): File {
  const bytes = Uint8Array.from({ length: size }, (_, index) => (index * 31 + (index >> 8)) & 0xff);
  return new File([bytes], name, { lastModified: 1 });
}

function nextOffer(): Promise<FileOffer> {
  return new Promise((resolve) => {
    const stop = receiveFiles(bob.other, (offer) => {
      stop();
      resolve(offer);
    });
  });
}

/** Lets the clients' clock run until `promise` has settled. */
async function running<Value>(promise: Promise<Value>): Promise<Value> {
  let isDone = false;
  const done = () => {
    isDone = true;
  };
  promise.then(done, done);
  for (let turn = 0; !isDone && turn < 5000; turn++) await world.clock.advance(10);
  return promise;
}

/** Compared whole: element by element takes seconds. */
const bytesOf = async (file: Blob) => Buffer.from(await file.arrayBuffer()).toString("latin1");
const codeOf = (error: unknown) => (error instanceof FileError ? error.code : error);

test.each([0, 1, 300_000])("a file of %i bytes arrives as it was sent", async (size) => {
  const offered = nextOffer();
  const progress: number[] = [];
  const sending = sendFile(ada.other, aFile(size), { onProgress: (sent) => progress.push(sent) });
  const offer = await running(offered);
  expect([offer.name, offer.size]).toEqual(["cat.jpg", size]);
  const received = await running(offer.accept());
  await running(sending);
  expect(received.name).toBe("cat.jpg");
  expect(await bytesOf(received)).toEqual(await bytesOf(aFile(size)));
  expect([progress[0], progress.at(-1)]).toEqual([0, size]);
});

test("a transfer that broke off goes on where it did", async () => {
  const file = aFile(1_500_000);
  const offered = nextOffer();
  const stop = new AbortController();
  const sending = sendFile(ada.other, file, { signal: stop.signal }).catch((error: unknown) => error);
  const offer = await running(offered);
  const receiving = offer
    .accept({ onProgress: (received) => received > 300_000 && stop.abort("enough") })
    .catch(codeOf);
  expect(await running(sending)).toBe("enough");
  await running(receiving);

  const again = nextOffer();
  const progress: number[] = [];
  const resent = sendFile(ada.other, file);
  const received = (await running(again)).accept({ onProgress: (size) => progress.push(size) });
  expect(await bytesOf(await running(received))).toEqual(await bytesOf(file));
  await running(resent);
  expect(progress[0]).toBeGreaterThan(300_000);
  expect(progress[0]).toBeLessThan(1_500_000);
});

test("the sender learns that nobody wants it", async () => {
  const offered = nextOffer();
  const sending = sendFile(ada.other, aFile(10)).catch(codeOf);
  await (await running(offered)).decline();
  expect(await running(sending)).toBe("file_declined");
});

test("the receiver sees that an offer was taken back", async () => {
  const offered = nextOffer();
  const stop = new AbortController();
  const sending = sendFile(ada.other, aFile(10), { signal: stop.signal }).catch((error: unknown) => error);
  const offer = await running(offered);
  stop.abort("changed my mind");
  await running(offer.withdrawn);
  expect(await running(sending)).toBe("changed my mind");
  expect(await running(offer.accept().catch(codeOf))).toBe("file_cancelled");
});

test("the sender learns that the receiver wants no more, and nothing of it is kept", async () => {
  const file = aFile(800_000, "unwanted.jpg");
  const offered = nextOffer();
  const sending = sendFile(ada.other, file).catch(codeOf);
  const stop = new AbortController();
  const receiving = (await running(offered))
    .accept({ onProgress: (received) => received > 300_000 && stop.abort("no"), signal: stop.signal })
    .catch((error: unknown) => error);
  expect(await running(receiving)).toBe("no");
  expect(await running(sending)).toBe("file_cancelled");

  const again = nextOffer();
  const resent = sendFile(ada.other, file);
  const progress: number[] = [];
  await running((await running(again)).accept({ onProgress: (size) => progress.push(size) }));
  await running(resent);
  expect(progress[0]).toBe(0);
});

/** What an application writes to, and what became of it. */
class Target {
  readonly chunks: Uint8Array<ArrayBuffer>[] = [];
  end: "open" | "closed" | "aborted" = "open";
  failsAt = Number.POSITIVE_INFINITY;

  readonly stream = new WritableStream<Uint8Array<ArrayBuffer>>({
    write: (chunk) => {
      if (this.chunks.length === this.failsAt) throw new Error("disk full");
      this.chunks.push(chunk);
    },
    close: () => {
      this.end = "closed";
    },
    abort: () => {
      this.end = "aborted";
    },
  });

  bytes(): Promise<string> {
    return bytesOf(new Blob(this.chunks));
  }
}

test("a file is written to a stream as it comes, and goes on in it after it broke off", async () => {
  const file = aFile(1_500_000);
  const target = new Target();
  const offered = nextOffer();
  const stop = new AbortController();
  const sending = sendFile(ada.other, file, { signal: stop.signal }).catch((error: unknown) => error);
  const receiving = (await running(offered))
    .acceptInto(target.stream, { onProgress: (received) => received > 300_000 && stop.abort("enough") })
    .catch(codeOf);
  await running(sending);
  expect(await running(receiving)).toBe("file_cancelled");
  expect(target.end).toBe("open");

  const again = nextOffer();
  const resent = sendFile(ada.other, file);
  const progress: number[] = [];
  const rest = (await running(again)).acceptInto(target.stream, {
    onProgress: (size) => progress.push(size),
  });
  await running(rest);
  await running(resent);
  expect(progress[0]).toBeGreaterThan(300_000);
  expect(progress[0]).toBeLessThan(1_500_000);
  expect(target.end).toBe("closed");
  expect(await target.bytes()).toEqual(await bytesOf(file));
});

test("a stream with the beginning of one file takes no other", async () => {
  const target = new Target();
  for (const [name, verdict] of [
    ["one.jpg", "file_cancelled"],
    ["two.jpg", expect.any(TypeError)],
  ] as const) {
    const offered = nextOffer();
    const stop = new AbortController();
    const sending = sendFile(ada.other, aFile(1_500_000, name), { signal: stop.signal }).catch(codeOf);
    const receiving = (await running(offered))
      .acceptInto(target.stream, { onProgress: (received) => received > 300_000 && stop.abort() })
      .catch(codeOf);
    expect(await running(receiving)).toEqual(verdict);
    stop.abort();
    await running(sending);
  }
});

test("the sender is told that the file couldn't be written, also in its midst", async () => {
  const offered = nextOffer();
  const sending = sendFile(ada.other, aFile(3_000_000)).catch(codeOf);
  const target = new Target();
  target.failsAt = 0;
  const receiving = (await running(offered)).acceptInto(target.stream).catch(codeOf);
  expect(await running(receiving)).toBe("file_not_written");
  expect(await running(sending)).toBe("file_not_written");
});

test("what isn't as it was sent is thrown away, and the sender told", async () => {
  const target = new Target();
  const offered = nextOffer();
  const { readable, writable } = ada.other.stream("sheetbend:file");
  const writer = writable.getWriter();
  const said = new TextEncoder().encode(`{"id":"${"0".repeat(32)}","name":"cat.jpg","size":3}`);
  await writer.write(new Uint8Array([0, 0, 0, said.length, ...said, 1, 2, 3, ...new Uint8Array(32)]));
  await writer.close();
  const receiving = (await running(offered)).acceptInto(target.stream).catch(codeOf);
  expect(await running(receiving)).toBe("file_corrupt");
  expect(target.end).toBe("aborted");
  expect(await running(new Response(readable).text())).toContain('{"error":"file_corrupt"}');
});

test.each([
  ["../../etc/passwd", "passwd"],
  ["C:\\x\\a.txt", "a.txt"],
  ["gpj.\u202eexe", "gpj.exe"],
  [".bashrc", "bashrc"],
  ["con.txt", "_con.txt"],
  [`invoice.pdf${" ".repeat(90)}\u2800\u3164.exe`, "invoice.pdf.exe"],
  [`${"é".repeat(300)}.txt`, `${"é".repeat(98)}.txt`],
  ["..", "file"],
])("the name %j is offered as %j", async (name, safe) => {
  const offered = nextOffer();
  const sending = sendFile(ada.other, aFile(1, name)).catch(codeOf);
  const offer = await running(offered);
  expect(offer.name).toBe(safe);
  await offer.decline();
  await running(sending);
});

test.each([[[0xff, 0xff, 0xff, 0xff]], [[0, 0, 0, 2, 0x7b, 0x7d]], [[0, 0, 0, 1, 0x7b]]])(
  "a stream that begins with %j is given up",
  async (bytes) => {
    const stop = receiveFiles(bob.other, () => expect.unreachable());
    const { readable, writable } = ada.other.stream("sheetbend:file");
    const writer = writable.getWriter();
    await writer.write(new Uint8Array(bytes));
    const reading = readable
      .getReader()
      .read()
      .catch((error: { code: string }) => error.code);
    expect(await running(reading)).toBe("stream_reset");
    stop();
  },
);
