/**
 * What this browser remembers between calls: the name, the chosen devices and whether they start switched on.
 *
 * Storage may be absent (cookies blocked, private windows), full, or hold whatever another page of this origin wrote:
 * then the defaults hold and nothing is remembered.
 */

import { type Signal, signal } from "@preact/signals";

const STORAGE_KEY = "sheetbend.preferences";

export interface PreferenceValues {
  name: string;
  microphoneId: string;
  cameraId: string;
  microphoneOn: boolean;
  cameraOn: boolean;
  shortcutsOn: boolean;
}

const DEFAULTS: PreferenceValues = {
  name: "",
  microphoneId: "",
  cameraId: "",
  microphoneOn: true,
  cameraOn: true,
  shortcutsOn: true,
};

export class Preferences {
  readonly values: Signal<PreferenceValues>;
  readonly #storage: Storage | null;

  constructor(storage: Storage | null) {
    this.#storage = storage;
    this.values = signal(parsePreferences(read(storage)));
  }

  remember(change: Partial<PreferenceValues>): void {
    this.values.value = { ...this.values.peek(), ...change };
    write(this.#storage, JSON.stringify(this.values.peek()));
  }
}

/** Even naming `localStorage` throws where cookies are blocked. */
export function openStorage(): Storage | null {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}

export function parsePreferences(text: string | null): PreferenceValues {
  const stored = parseObject(text);
  return {
    name: stringOr(DEFAULTS.name, stored.name),
    microphoneId: stringOr(DEFAULTS.microphoneId, stored.microphoneId),
    cameraId: stringOr(DEFAULTS.cameraId, stored.cameraId),
    microphoneOn: booleanOr(DEFAULTS.microphoneOn, stored.microphoneOn),
    cameraOn: booleanOr(DEFAULTS.cameraOn, stored.cameraOn),
    shortcutsOn: booleanOr(DEFAULTS.shortcutsOn, stored.shortcutsOn),
  };
}

function parseObject(text: string | null): Partial<Record<keyof PreferenceValues, unknown>> {
  if (text === null) return {};
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}

function stringOr(fallback: string, value: unknown): string {
  return typeof value === "string" ? value : fallback;
}

function booleanOr(fallback: boolean, value: unknown): boolean {
  return typeof value === "boolean" ? value : fallback;
}

function read(storage: Storage | null): string | null {
  try {
    return storage?.getItem(STORAGE_KEY) ?? null;
  } catch {
    return null;
  }
}

function write(storage: Storage | null, text: string): void {
  try {
    storage?.setItem(STORAGE_KEY, text);
  } catch {
    // QuotaExceededError or SecurityError: the call works without a memory.
  }
}
