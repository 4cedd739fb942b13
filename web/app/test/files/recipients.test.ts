import { signal } from "@preact/signals";
import { expect, it } from "vitest";
import { EVERYBODY, maySendFiles, recipientsAt } from "../../src/files/recipients.js";
import type { Person } from "../../src/room/person.js";

function somebody(name: string, { sealing = "keys", connection = "connected" } = {}): Person {
  return {
    key: name,
    name: signal(name),
    connection: signal(connection),
    member: { name, sealing },
  } as never;
}

const ada = somebody("Ada");
const bob = somebody("Bob");
const bot = somebody("Bot", { sealing: null as never });
const stranger = somebody("Eve", { connection: "unverified" });

it.each([
  ["the only other", null, [ada], ["Ada"]],
  ["the only one who takes files", null, [ada, bot, stranger], ["Ada"]],
  ["nobody among several", null, [ada, bob], []],
  ["whoever they are dropped on", "Bob", [ada, bob], ["Bob"]],
  ["everybody who takes files", EVERYBODY, [ada, bob, bot], ["Ada", "Bob"]],
  ["nobody without keys", "Bot", [ada, bot], []],
  ["nobody with another link", "Eve", [ada, stranger], []],
  ["nobody where nobody is", EVERYBODY, [], []],
])("files are for %s", (_, key, people, names) => {
  const { members, words } = recipientsAt(key, people, true);
  expect(members.map(({ name }) => name)).toEqual(names);
  expect(words).not.toBe("");
});

it("whoever may not write to everybody sends no files", () => {
  expect(maySendFiles({ can: new Set(["message"]), muted: true })).toBe(false);
  expect(maySendFiles({ can: new Set(["publish"]), muted: false })).toBe(false);
  expect(recipientsAt(EVERYBODY, [ada], false).members).toEqual([]);
});
