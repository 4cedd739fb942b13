/** Listens for the room's keys while a component is shown. */

import { useEffect } from "preact/hooks";
import { isTypingTarget, type Shortcut, shortcutOf } from "./shortcuts.js";

export function useShortcuts(on: boolean, actions: Readonly<Record<Shortcut, () => void>>): void {
  useEffect(() => {
    if (!on) return;
    const act = (event: KeyboardEvent) => {
      const shortcut = shortcutOf(event, isTypingTarget);
      if (shortcut === null) return;
      event.preventDefault();
      actions[shortcut]();
    };
    document.addEventListener("keydown", act);
    return () => document.removeEventListener("keydown", act);
  });
}

export function useEscape(close: () => void): void {
  useEffect(() => {
    const act = (event: KeyboardEvent) => {
      if (event.key === "Escape" && document.querySelector("dialog[open]") === null) close();
    };
    document.addEventListener("keydown", act);
    return () => document.removeEventListener("keydown", act);
  });
}
