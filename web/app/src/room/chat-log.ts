/**
 * What the chat shows, as values: entries in the room's order, and own messages that are still on their way.
 *
 * Pure functions from one log to the next; chat.ts does the sending.
 */

import type { Json, Place } from "sheetbend";

/** At the bound the oldest entry goes. */
export const CHAT_ENTRIES_MAX = 500;
/** Own messages can't be longer; of longer ones from others the beginning is shown. */
export const CHAT_TEXT_CHARS_MAX = 4_000;

export interface ChatMessage {
  kind: "message";
  id: number;
  author: string;
  own: boolean;
  text: string;
  sentAtMs: number;
}

/** "Ana joined". */
export interface ChatNotice {
  kind: "notice";
  id: number;
  text: string;
  sentAtMs: number;
}

/** A line between what was said before something and what after it: "You joined", "Some messages may be missing". */
export interface ChatDivider {
  kind: "divider";
  id: number;
  text: string;
  /** Something may be lost. */
  warns: boolean;
}

export type ChatEntry = ChatMessage | ChatNotice | ChatDivider;

/** An own message that hasn't come back in the room's order. */
export interface Outgoing {
  id: number;
  text: string;
  /** Null while it is on its way. */
  failure: string | null;
  /** Where the server has put it; null before, and while it is unknown. */
  place: Place | null;
}

export interface ChatLog {
  entries: readonly ChatEntry[];
  outgoing: readonly Outgoing[];
  unread: number;
}

export const EMPTY_LOG: ChatLog = { entries: [], outgoing: [], unread: 0 };

/** What was said before this person came, if there is anything to say of it. */
export function withHistory(
  log: ChatLog,
  history: { messages: readonly ChatMessage[]; complete: boolean },
  nextId: () => number,
): ChatLog {
  const { messages, complete } = history;
  if (messages.length === 0 && complete) return log;
  const divider = (text: string): ChatDivider => ({ kind: "divider", id: nextId(), text, warns: false });
  const entries = [...messages, divider("You joined")];
  const lost = complete ? [] : [divider("Older messages are no longer kept")];
  return { ...log, entries: [...log.entries, ...lost, ...entries].slice(-CHAT_ENTRIES_MAX) };
}

export function withEntry(log: ChatLog, entry: ChatEntry): ChatLog {
  return { ...log, entries: [...log.entries, entry].slice(-CHAT_ENTRIES_MAX) };
}

/** A message of somebody else; `seen` says whether the chat is in view. */
export function withReceived(log: ChatLog, message: ChatMessage, seen: boolean): ChatLog {
  return { ...withEntry(log, message), unread: seen ? 0 : log.unread + 1 };
}

/**
 * An own message came back: it leaves the outgoing ones for its place in the room's order. Where the server's answer
 * hasn't come yet it is the first with this text, because messages keep their order.
 */
export function withOwn(log: ChatLog, message: ChatMessage, place: Place): ChatLog {
  const placed = log.outgoing.find((each) => each.place !== null && isSamePlace(each.place, place));
  const sent = placed ?? log.outgoing.find((each) => isOnItsWay(each) && each.text === message.text);
  return withEntry(sent === undefined ? log : withoutOutgoing(log, sent.id), message);
}

export function withOutgoing(log: ChatLog, id: number, text: string): ChatLog {
  return { ...log, outgoing: [...log.outgoing, { id, text, failure: null, place: null }] };
}

/** The server has taken it; the message itself may come before or after. */
export function withAccepted(log: ChatLog, id: number, place: Place): ChatLog {
  return withChanged(log, id, { place });
}

export function withFailure(log: ChatLog, id: number, failure: string): ChatLog {
  return withChanged(log, id, { failure });
}

function withChanged(log: ChatLog, id: number, change: Partial<Outgoing>): ChatLog {
  return { ...log, outgoing: log.outgoing.map((each) => (each.id === id ? { ...each, ...change } : each)) };
}

function isOnItsWay({ failure, place }: Outgoing): boolean {
  return failure === null && place === null;
}

function isSamePlace(a: Place, b: Place): boolean {
  return a.offset === b.offset && a.epoch === b.epoch;
}

export function withoutOutgoing(log: ChatLog, id: number): ChatLog {
  return { ...log, outgoing: log.outgoing.filter((each) => each.id !== id) };
}

export function allRead(log: ChatLog): ChatLog {
  return log.unread === 0 ? log : { ...log, unread: 0 };
}

export function chatData(text: string): Json {
  return { type: "chat", text };
}

/** The text of a room message that is chat; null for everything else that applications send each other. */
export function chatTextOf(data: Json): string | null {
  if (typeof data !== "object" || data === null || !("text" in data)) return null;
  const { type = "chat", text } = data;
  if (type !== "chat" || typeof text !== "string" || text.trim() === "") return null;
  return shorten(text, CHAT_TEXT_CHARS_MAX);
}

export function shorten(text: string, charsMax: number): string {
  const chars = [...text];
  return chars.length <= charsMax ? text : `${chars.slice(0, charsMax - 1).join("")}…`;
}
