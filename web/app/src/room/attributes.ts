/**
 * What a member says of itself: is the microphone on, the camera, a screen shared.
 *
 * Attributes and names come from other people's programs, so they are checked here and nowhere else trusted.
 */

import type { Attributes } from "sheetbend";
import { showsSomething, withoutUnseen } from "../unseen.js";

/** Null: the member doesn't say (a bot, or a client of the lesson dialect). */
export interface MediaState {
  microphone: boolean | null;
  camera: boolean | null;
  screen: boolean | null;
}

/** `nameChars` in protocol/codes.json. */
export const NAME_CHARS_MAX = 64;
export const NAMELESS = "Guest";

export function mediaStateFrom(attributes: Attributes): MediaState {
  return {
    microphone: booleanOrNull(attributes.mic),
    camera: booleanOrNull(attributes.camera),
    screen: booleanOrNull(attributes.screen),
  };
}

export function attributesFrom(state: { microphone: boolean; camera: boolean; screen: boolean }): Attributes {
  return { mic: state.microphone, camera: state.camera, screen: state.screen };
}

/** A name as this page shows it: one line, bounded, never empty. */
export function shownName(name: unknown): string {
  const text = typeof name === "string" ? cleanName(name) : "";
  return text === "" ? NAMELESS : text;
}

/** As `shownName`, for oneself. */
export function ownName(name: string): string {
  return name === "" ? "You" : `${name} (you)`;
}

/** What this person typed as their name, as the server takes it. */
export function cleanName(typed: string): string {
  const oneLine = withoutUnseen(typed).replace(/\s+/g, " ").trim();
  const name = withoutUnseen([...oneLine].slice(0, NAME_CHARS_MAX).join("")).trim();
  return showsSomething(name) ? name : "";
}

function booleanOrNull(value: unknown): boolean | null {
  return typeof value === "boolean" ? value : null;
}
