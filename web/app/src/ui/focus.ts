/** Where the keyboard goes when what had the focus goes away. */

import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

/** What is in front takes the focus when nothing else can: a dialog, a panel, the page's heading. */
const IN_FRONT = ["dialog[open]", ".panel", "h1"];

/** While a component is shown it may take the focus; afterwards it is where it was. */
export function useFocusReturn(): void {
  // Asked while rendering: what is behind a panel becomes inert with it, and loses the focus before any effect runs.
  const [before] = useState(() => document.activeElement);
  // Behind the change of the page: until then what was behind the panel can't take the focus.
  useEffect(() => () => queueMicrotask(() => focusOn(before)), [before]);
}

/** When the element goes, and the focus is in it, the focus goes to what is in front. */
export function useFocusKept<E extends HTMLElement>(): RefObject<E | null> {
  const element = useRef<E>(null);
  useLayoutEffect(() => {
    const kept = element.current;
    return () => {
      if (kept?.contains(document.activeElement)) queueMicrotask(() => focusOn(null));
    };
  }, []);
  return element;
}

function focusOn(before: Element | null): void {
  if (before instanceof HTMLElement && before.isConnected) before.focus();
  if (document.activeElement !== null && document.activeElement !== document.body) return;
  const targets = IN_FRONT.map((selector) => document.querySelector<HTMLElement>(selector));
  targets.find((target) => target !== null)?.focus({ preventScroll: true });
}
