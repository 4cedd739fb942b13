/** A round button with an icon, and a tooltip that says its name and its key. */

import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

export interface ControlButtonProps {
  name: string;
  icon: ComponentChildren;
  onClick: () => void;
  /** The key that does the same; announced in the tooltip and by aria-keyshortcuts. */
  shortcut?: string | undefined;
  tone?: "plain" | "off" | "active" | "danger";
  /**
   * For buttons whose name stays while they switch something on and off. A button whose name says what it will do
   * ("Mute", then "Unmute") leaves it out: "Unmute, pressed" would mean the opposite.
   */
  pressed?: boolean;
  badge?: Badge | undefined;
}

export interface Badge {
  text: string;
  /** What a screen reader says after the name. */
  meaning: string;
  /** A count, rather than something that wants attention. */
  quiet?: boolean;
}

export function ControlButton(props: ControlButtonProps) {
  const { name, icon, onClick, shortcut, tone = "plain", pressed, badge } = props;
  const badgeId = useId();
  return (
    <span class="control-slot">
      <button
        type="button"
        class={`control ${tone}`}
        aria-label={name}
        aria-describedby={badge && badgeId}
        aria-keyshortcuts={shortcut}
        aria-pressed={pressed}
        onClick={onClick}
      >
        {icon}
        {badge !== undefined && (
          // Drawn by the style sheet: it is no part of the name, and `meaning` says it in words.
          <span class={badge.quiet ? "badge quiet" : "badge"} data-text={badge.text} />
        )}
      </button>
      <span class="tooltip" aria-hidden="true">
        {name}
        {shortcut !== undefined && <kbd>{shortcut.toUpperCase()}</kbd>}
      </span>
      {badge !== undefined && (
        <span id={badgeId} hidden>
          {badge.meaning}
        </span>
      )}
    </span>
  );
}
