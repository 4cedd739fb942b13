import type { Member, Room } from "sheetbend";
import { SheetbendError } from "sheetbend";
import type { FileOffer } from "sheetbend/files";
import { FILE_LABEL, FileError } from "sheetbend/files";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { FILE_STREAM_LABEL, Files, OFFERS_PER_MEMBER_MAX, SENT_AT_ONCE_MAX } from "../../src/files/files.js";
import { IncomingFile } from "../../src/files/incoming-file.js";
import { OutgoingFile, type SendFile } from "../../src/files/outgoing-file.js";
import { Notices } from "../../src/notices.js";

type Listener = (...values: never[]) => void;

/** Somebody, as far as files are concerned; `emit` is what the SDK would do. */
class FakeMember {
  readonly key = "bob";
  readonly name = "Bob";
  readonly can = new Set(["message"]);
  muted = false;
  readonly listeners = new Map<string, Listener>();

  on(type: string, listener: Listener): () => void {
    this.listeners.set(type, listener);
    return () => this.listeners.delete(type);
  }

  emit(type: string, ...values: unknown[]): void {
    this.listeners.get(type)?.(...(values as never[]));
  }
}

function anOffer(name = "cat.jpg", id = name): FileOffer & { declined: boolean } {
  return {
    id,
    name,
    size: 3,
    declined: false,
    withdrawn: new Promise(() => {}),
    accept: () => new Promise(() => {}),
    acceptInto: () => new Promise(() => {}),
    async decline() {
      this.declined = true;
    },
  };
}

let bob: FakeMember;
let room: FakeMember & { members: Map<string, FakeMember> };
let files: Files;
let notices: Notices;
let offers: FileOffer[];
let send: ReturnType<typeof vi.fn<SendFile>>;

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("window", globalThis);
  bob = new FakeMember();
  room = Object.assign(new FakeMember(), { members: new Map([["bob", bob]]) });
  offers = [];
  notices = new Notices();
  send = vi.fn<SendFile>(() => new Promise(() => {}));
  const onDemand = {
    IncomingFile,
    OutgoingFile,
    FilesTray: () => null,
    sendFile: send,
    readOffer: async () => offers.shift() ?? Promise.reject(new Error("none")),
  };
  files = new Files(room as unknown as Room, notices, async () => onDemand as never);
});

const aStream = (label = FILE_STREAM_LABEL) => ({
  label,
  readable: { cancel: vi.fn(async () => {}) },
  writable: { abort: vi.fn(async () => {}) },
});

async function offer(...given: FileOffer[]): Promise<void> {
  for (const each of given) {
    offers.push(each);
    bob.emit("stream", aStream());
    await vi.advanceTimersByTimeAsync(0);
  }
}

const words = () => files.list.value.map((file) => (file.direction === "in" ? file.state.value : null));

it("knows files by the label that the SDK gives them", () => {
  expect(FILE_STREAM_LABEL).toBe(FILE_LABEL);
});

describe("what is offered", () => {
  it("is read out, all that comes at once together", async () => {
    await offer(anOffer("one.jpg"), anOffer("two.jpg"));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(notices.spoken.value).toBe(
      "Bob wants to send you one.jpg, 3 bytes. Bob wants to send you two.jpg, 3 bytes",
    );
  });

  it("waits for an answer", async () => {
    await offer(anOffer());
    expect(words()).toEqual([{ at: "offered", tooBig: false }]);
    expect(files.offered.value).toBe(1);
  });

  it("is refused from whoever may not write to everybody, and what is no file from all", async () => {
    bob.muted = true;
    offers.push(anOffer(), anOffer());
    const streams = [aStream()];
    bob.emit("stream", streams[0]);
    bob.muted = false;
    streams.push(aStream("something"));
    bob.emit("stream", streams[1]);
    await vi.advanceTimersByTimeAsync(0);
    for (const stream of streams) expect(stream.readable.cancel).toHaveBeenCalled();
    expect(files.list.value).toEqual([]);
  });

  it("is declined where too much waits already", async () => {
    const many = Array.from({ length: OFFERS_PER_MEMBER_MAX + 1 }, (_, index) => anOffer(`${index}.jpg`));
    await offer(...many);
    expect(many.map(({ declined }) => declined)).toEqual(
      many.map((_, index) => index === OFFERS_PER_MEMBER_MAX),
    );
    expect(files.offered.value).toBe(OFFERS_PER_MEMBER_MAX);
  });

  it("goes with whoever offered it", async () => {
    await offer(anOffer());
    room.emit("left", bob);
    expect(words()).toEqual([{ at: "failed", words: "Bob is gone." }]);
  });

  it("goes on by itself when it was accepted and broke off, and replaces what came to nothing", async () => {
    const lost = anOffer();
    lost.accept = () => Promise.reject(new SheetbendError("delivery_unknown", "lost"));
    await offer(lost);
    const [file] = files.list.value;
    if (file?.direction !== "in") throw new Error("no file");
    await file.accept();
    expect(file.state.value.at).toBe("interrupted");
    const again = anOffer();
    again.accept = () => Promise.reject(new FileError("file_cancelled", ""));
    await offer(again);
    expect(words()).toEqual([{ at: "failed", words: "Bob stopped it." }]);
    await offer(anOffer());
    expect(words()).toEqual([{ at: "offered", tooBig: false }]);
  });

  it("isn't begun where this browser couldn't hold it", async () => {
    await offer({ ...anOffer(), size: 2e9 });
    expect(words()).toEqual([{ at: "offered", tooBig: true }]);
  });
});

describe("what is sent", () => {
  const file = new File(["cat"], "cat.jpg");
  const members = () => [bob as unknown as Member];

  function delivery() {
    const [sent] = files.list.value;
    if (sent?.direction !== "out") throw new Error("nothing sent");
    const [first] = sent.deliveries;
    if (!first) throw new Error("sent to nobody");
    return { sent, state: () => first.state.value };
  }

  it("is offered again after a loss, until it is there", async () => {
    send.mockRejectedValueOnce(new SheetbendError("delivery_unknown", "lost"));
    send.mockImplementationOnce(async (_member, _file, options) => {
      options?.onProgress?.(1, 3);
      throw new SheetbendError("delivery_unknown", "lost");
    });
    await files.send([file], members());
    expect(delivery().state().at).toBe("offered");
    await vi.advanceTimersByTimeAsync(600);
    expect(delivery().state().at).toBe("interrupted");
    send.mockResolvedValueOnce();
    await vi.advanceTimersByTimeAsync(600);
    expect(delivery().state()).toEqual({ at: "done" });
    expect(send).toHaveBeenCalledTimes(3);
  });

  it("is given up when the connection stays lost", async () => {
    send.mockRejectedValue(new SheetbendError("delivery_unknown", "lost"));
    await files.send([file], members());
    await vi.advanceTimersByTimeAsync(200_000);
    expect(delivery().state()).toEqual({ at: "failed", words: "The connection with Bob was lost." });
    expect(send.mock.calls.length).toBeLessThan(40);
  });

  it("stays stopped, whatever still comes of it", async () => {
    let progress: ((sent: number, size: number) => void) | undefined;
    send.mockImplementationOnce((_member, _file, options) => {
      progress = options?.onProgress;
      return new Promise((_, reject) =>
        options?.signal?.addEventListener("abort", () => reject(new Error("aborted"))),
      );
    });
    await files.send([file], members());
    progress?.(1, 3);
    expect(delivery().state().at).toBe("moving");
    delivery().sent.cancel();
    progress?.(2, 3);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(delivery().state()).toEqual({ at: "failed", words: "You stopped it." });
  });

  it("isn't sent at all beyond a number", async () => {
    await files.send(
      Array.from({ length: SENT_AT_ONCE_MAX + 1 }, () => file),
      members(),
    );
    expect(files.list.value).toEqual([]);
  });
});
