/**
 * What the chat shows, as values: entries in the room's order, and own messages that are still on their way.
 *
 * Pure functions from one log to the next; chat.ts does the sending.
 */

import type { Json } from "sheetbend";

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

export type ChatEntry = ChatMessage | ChatNotice;

/** An own message that hasn't come back in the room's order. */
export interface Outgoing {
  id: number;
  text: string;
  /** Null while it is on its way. */
  failure: string | null;
}

export interface ChatLog {
  entries: readonly ChatEntry[];
  outgoing: readonly Outgoing[];
  unread: number;
}

export const EMPTY_LOG: ChatLog = { entries: [], outgoing: [], unread: 0 };

export function withEntry(log: ChatLog, entry: ChatEntry): ChatLog {
  return { ...log, entries: [...log.entries, entry].slice(-CHAT_ENTRIES_MAX) };
}

/** A message of somebody else; `seen` says whether the chat is in view. */
export function withReceived(log: ChatLog, message: ChatMessage, seen: boolean): ChatLog {
  return { ...withEntry(log, message), unread: seen ? 0 : log.unread + 1 };
}

/** An own message came back: it leaves the outgoing ones for its place in the room's order. */
export function withOwn(log: ChatLog, message: ChatMessage): ChatLog {
  const sent = log.outgoing.find((outgoing) => outgoing.text === message.text && outgoing.failure === null);
  return withEntry(sent === undefined ? log : withoutOutgoing(log, sent.id), message);
}

export function withOutgoing(log: ChatLog, outgoing: Outgoing): ChatLog {
  return { ...log, outgoing: [...log.outgoing, outgoing] };
}

export function withFailure(log: ChatLog, id: number, failure: string): ChatLog {
  const outgoing = log.outgoing.map((each) => (each.id === id ? { ...each, failure } : each));
  return { ...log, outgoing };
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
