/** What the doctor concludes from what a browser gathers. That browsers do is shown in tests/e2e/test_doctor.py. */

import { expect, test } from "vitest";
import { diagnose } from "../src/doctor/diagnose.js";
import { type Gathered, type Gathering, natOf, stunOf } from "../src/doctor/gathering.js";
import { authority, sortIceServers } from "../src/doctor/ice-urls.js";
import { attempt, Failed, skip } from "../src/doctor/trying.js";

const A = "stun:198.51.100.1:443";
const B = "stun:198.51.100.2:3478";
const host: Gathered = {
  type: "host",
  protocol: "udp",
  address: "2b6b.local",
  port: 50_000,
  base: ":0",
  url: null,
};

function seen(
  port: number,
  { base = "0.0.0.0:0", address = "203.0.113.5", url = null as string | null } = {},
): Gathered {
  return { type: "srflx", protocol: "udp", address, port, base, url };
}

function relayed(base: string): Gathered {
  return { type: "relay", protocol: "udp", address: "198.51.100.2", port: 60_000, base, url: null };
}

function gathering(candidates: Gathered[], change: Partial<Gathering> = {}): Gathering {
  return { asked: [A, B], candidates, silent: [], isComplete: true, tellsSilent: true, ...change };
}

test.each<[string, Gathering, string]>([
  ["one port for two servers", gathering([host, seen(1)]), "endpoint_independent"],
  ["a port for each server", gathering([host, seen(1), seen(2)]), "symmetric"],
  [
    "a port for each server, addresses shown",
    gathering([host, seen(1, { base: "10.0.0.2:5" }), seen(2, { base: "10.0.0.2:5" })]),
    "symmetric",
  ],
  ["two sockets with a port each", gathering([host, host, seen(1), seen(2)]), "endpoint_independent"],
  [
    "two sockets with a port each, addresses shown",
    gathering([host, host, seen(1, { base: "10.0.0.2:5" }), seen(2, { base: "10.0.1.2:6" })]),
    "endpoint_independent",
  ],
  [
    "the same port at the TURN server",
    gathering([host, seen(1), relayed("203.0.113.5:1")], { asked: [A] }),
    "endpoint_independent",
  ],
  [
    "another port at the TURN server",
    gathering([host, host, seen(1), relayed("203.0.113.5:2")], { asked: [A] }),
    "symmetric",
  ],
  ["nothing but an answer", gathering([host]), "no_nat"],
  [
    "the TURN server sees the computer's own address",
    gathering([{ ...host, address: "198.51.100.9" }, relayed("198.51.100.9:50000")], { isComplete: false }),
    "no_nat",
  ],
  ["one that is silent, late", gathering([host, seen(1), seen(2)], { isComplete: false }), "symmetric"],
])("NAT: %s", (_name, gathered, code) => {
  expect(natOf(gathered).code).toBe(code);
});

test.each<[string, Gathering, string]>([
  ["one server", gathering([host, seen(1)], { asked: [A] }), "one_address"],
  [
    "one server, and what TURN saw is hidden",
    gathering([host, seen(1), relayed("0.0.0.0:0")], { asked: [A] }),
    "one_address",
  ],
  ["one silent server of two", gathering([host, seen(1)], { silent: [B] }), "one_address"],
  [
    "who is silent isn't known yet",
    gathering([host, seen(1, { url: A })], { isComplete: false }),
    "one_address",
  ],
  ["both silent", gathering([host], { silent: [A, `${B}?transport=udp`] }), "no_answer"],
])("NAT is unknown: %s", (_name, gathered, code) => {
  expect(() => natOf(gathered)).toThrow(expect.objectContaining({ code, isSkipped: true }));
});

test("STUN: an answer is a mapped address, or no complaint", () => {
  expect(stunOf([A], gathering([host, seen(7)])).note).toContain("203.0.113.5:7");
  expect(stunOf([A], gathering([host])).note).toContain("own address");
  expect(() => stunOf([A], gathering([host], { silent: [A, B] }))).toThrow(
    expect.objectContaining({ code: "no_answer", isSkipped: false }),
  );
  expect(() => stunOf([A], gathering([host], { isComplete: false }))).toThrow(Failed);
});

test("STUN: what only the TURN server saw is no answer of the STUN server", () => {
  const gathered = gathering([host, seen(7, { url: B })], { silent: [A] });
  expect(() => stunOf([A], gathered)).toThrow(expect.objectContaining({ code: "no_answer" }));
});

test("STUN: no addresses at all are no answer, a browser that doesn't tell is none either way", () => {
  expect(() => stunOf([A], gathering([]))).toThrow(expect.objectContaining({ code: "no_answer" }));
  expect(() => stunOf([A], gathering([host], { tellsSilent: false }))).toThrow(
    expect.objectContaining({ code: "unknown", isSkipped: true }),
  );
  expect(() => stunOf([], gathering([host]))).toThrow(expect.objectContaining({ code: "not_offered" }));
});

test("ICE servers are sorted by what is tried with them", () => {
  const credentials = { username: "u", credential: "c" };
  const { stun, turn } = sortIceServers(
    [
      { urls: ["stun:{host}:8080"] },
      {
        urls: ["turn:{host}:3478", "turn:{host}:3478?transport=tcp", "turns:{host}:5349", "http://x"],
        ...credentials,
      },
    ],
    "[2001:db8::1]",
  );
  expect(stun).toEqual(["stun:[2001:db8::1]:8080"]);
  expect(Object.fromEntries(turn)).toEqual({
    turn_udp: [{ urls: "turn:[2001:db8::1]:3478", ...credentials }],
    turn_tcp: [{ urls: "turn:[2001:db8::1]:3478?transport=tcp", ...credentials }],
    turn_tls: [{ urls: "turns:[2001:db8::1]:5349", ...credentials }],
  });
});

test("a check ends with its time, and says to what it opened that it is over", async () => {
  let isTold = false;
  const check = await attempt(
    "stun",
    new AbortController().signal,
    (signal) => {
      signal.addEventListener("abort", () => {
        isTold = true;
      });
      return new Promise(() => {});
    },
    1,
  );
  expect(check).toMatchObject({ id: "stun", status: "failed", code: "no_answer" });
  expect(isTold).toBe(true);
});

test("a check is an answer, whatever is thrown", async () => {
  const { signal } = new AbortController();
  expect(await attempt("nat", signal, () => Promise.reject(skip("why", "Because.")))).toMatchObject({
    status: "skipped",
    ms: null,
    code: "why",
    note: "Because.",
  });
  expect(await attempt("nat", signal, () => Promise.reject(new TypeError("x")))).toMatchObject({
    status: "failed",
    code: "unexpected",
  });
});

test.each(["", "ftp://example.org", "example.org:443", "https://user:secret@example.org", "wss://"])(
  "%s is no address",
  async (url) => {
    await expect(diagnose(url)).rejects.toMatchObject({ code: "invalid_argument" });
  },
);

test("what is aborted before it began touches nothing", async () => {
  await expect(diagnose("wss://example.invalid/ws", { signal: AbortSignal.abort() })).rejects.toMatchObject({
    code: "aborted",
  });
});

test.each([
  ["stun:example.org:443", "turn:example.org:443?transport=udp", true],
  ["stun:example.org", "turn:example.org:3478", true],
  ["stun:[2001:db8::1]", "turn:[2001:db8::1]:3478", true],
  ["stun:example.org:443", "turn:example.org:3478", false],
])("%s and %s are the same server: %s", (one, other, isSame) => {
  expect(authority(one) === authority(other)).toBe(isSame);
});
