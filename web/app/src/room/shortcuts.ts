/** The keys of the room: which there are, and when a key press is one of them. */

export type Shortcut = "m" | "v" | "s" | "c" | "p";

export interface KeyPress {
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
  repeat: boolean;
  target: EventTarget | null;
}

const SHORTCUTS: readonly string[] = ["m", "v", "s", "c", "p"] satisfies readonly Shortcut[];

/** Never while somebody types, chooses from a list or holds a key of the browser's or the system's. */
export function shortcutOf(
  press: KeyPress,
  isTyping: (target: EventTarget | null) => boolean,
): Shortcut | null {
  if (press.ctrlKey || press.metaKey || press.altKey || press.repeat || isTyping(press.target)) return null;
  const key = press.key.toLowerCase();
  return isShortcut(key) ? key : null;
}

/** Also true inside a modal dialog, whose keys are its own. */
export function isTypingTarget(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || target.closest("input, textarea, select, dialog") !== null;
}

function isShortcut(key: string): key is Shortcut {
  return SHORTCUTS.includes(key);
}
