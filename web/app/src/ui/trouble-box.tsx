/** Says what went wrong, what a person can do about it, and offers to try again. */

import type { ComponentChildren } from "preact";
import { WarningIcon } from "../icons.js";

export interface TroubleBoxProps {
  title: string;
  children: ComponentChildren;
  onRetry: (() => void) | null;
}

export function TroubleBox({ title, children, onRetry }: TroubleBoxProps) {
  return (
    <div class="trouble" role="alert">
      <WarningIcon />
      <div class="trouble-text">
        <strong>{title}</strong>
        <p>{children}</p>
        {onRetry && (
          <button type="button" class="button small" onClick={onRetry}>
            Try again
          </button>
        )}
      </div>
    </div>
  );
}
