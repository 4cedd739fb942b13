/** Sentences for what changes in a room: who may enter, what one may do, who is gone and why. */

import type { Access, LeftReason, MediaKind, Self } from "sheetbend";

export interface AccessWords {
  /** As short as a button. */
  label: string;
  choice: string;
  explanation: string;
  /** When it has just become so. */
  news: string;
}

export const ACCESS_WORDS: Readonly<Record<Access, AccessWords>> = {
  open: {
    label: "Open",
    choice: "Anybody with the link",
    explanation: "Whoever has the link comes right in.",
    news: "The room is open now",
  },
  lobby: {
    label: "Lobby",
    choice: "Only those who are let in",
    explanation: "Newcomers wait in the lobby until a moderator lets them in.",
    news: "Newcomers wait in a lobby now",
  },
  locked: {
    label: "Locked",
    choice: "Nobody new",
    explanation: "Newcomers are turned away. Those who are here stay.",
    news: "The room is locked now",
  },
};

/** What a person should hear of a change of their own rights. */
export function selfNews(before: Self, after: Self): readonly string[] {
  const gained = (right: "publish" | "message" | "moderate") =>
    !before.can.has(right) && after.can.has(right);
  const lost = (right: "publish" | "message" | "moderate") => before.can.has(right) && !after.can.has(right);
  return [
    gained("moderate") && "You are a moderator of this room now",
    lost("moderate") && "You aren't a moderator of this room any more",
    !before.muted && after.muted && "A moderator has muted your chat",
    before.muted && !after.muted && "A moderator lets you write in the chat again",
    gained("message") && "You may write in the chat now",
    lost("message") && "You may not write in the chat any more",
    gained("publish") && "You may send sound and pictures now",
    lost("publish") && "You may not send sound and pictures any more",
  ].filter((news) => news !== false);
}

export function leftNews(name: string, reason: LeftReason): string {
  switch (reason) {
    case "leave":
      return `${name} left`;
    case "disconnect":
      return `${name} lost the connection`;
    case "removed":
      return `A moderator removed ${name}`;
    case "expired":
      return `${name} left: their token ran out`;
  }
}

export function otherLinkNews(name: string): string {
  return `${name} has another link: you can't reach each other`;
}

/** `stopped` is what a moderator's request has switched off, of what was on. */
export function muteNews(
  moderator: string,
  stopped: { audio: boolean; video: boolean; screen: boolean },
): string {
  const parts = [
    stopped.audio && "mute your microphone",
    stopped.video && "turn your camera off",
    stopped.screen && "stop sharing your screen",
  ].filter((part) => part !== false);
  return `${moderator} asked you to ${joinWords(parts)}. It is done; you can switch it on again`;
}

export function askedNews(name: string, media: MediaKind): string {
  return media === "audio"
    ? `${name} was asked to mute the microphone`
    : `${name} was asked to stop sending pictures`;
}

function joinWords(parts: readonly string[]): string {
  const last = parts.at(-1) ?? "";
  return parts.length < 2 ? last : `${parts.slice(0, -1).join(", ")} and ${last}`;
}
