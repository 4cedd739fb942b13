/** A panel beside the stage; on a narrow page it covers everything and is modal. */

import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { CloseIcon } from "../icons.js";
import { useFocusReturn } from "../ui/focus.js";

export interface PanelProps {
  title: string;
  /** It covers the page, whose rest is inert meanwhile. */
  modal: boolean;
  /** Whoever takes files that are dropped here. */
  dropKey?: string;
  onClose: () => void;
  children: ComponentChildren;
}

export function Panel({ title, modal, dropKey, onClose, children }: PanelProps) {
  const panel = useRef<HTMLDivElement>(null);
  const titleId = useId();
  useFocusReturn();
  useEffect(() => {
    const first = panel.current?.querySelector<HTMLElement>("[data-first-focus]") ?? panel.current;
    first?.focus();
  }, []);
  return (
    <div
      ref={panel}
      class="panel"
      role="dialog"
      aria-modal={modal}
      aria-labelledby={titleId}
      tabIndex={-1}
      data-drop={dropKey}
    >
      <div class="panel-head">
        <h2 id={titleId}>{title}</h2>
        <button
          type="button"
          class="icon-button"
          aria-label={`Close ${title.toLowerCase()}`}
          onClick={onClose}
        >
          <CloseIcon />
        </button>
      </div>
      {children}
    </div>
  );
}
