/** Where a token is pasted: as text, since a token that was cut off is seen in it. */

import type { Signal } from "@preact/signals";

export interface TokenFieldProps {
  typed: Signal<string>;
  /** The id of the sentence that says what is wrong; null if nothing is. */
  problemId?: string | null;
}

export function TokenField({ typed, problemId = null }: TokenFieldProps) {
  return (
    <label class="field">
      <span class="field-label">Token</span>
      <textarea
        class="token"
        rows={4}
        dir="ltr"
        value={typed.value}
        autocomplete="off"
        autocapitalize="none"
        spellcheck={false}
        aria-invalid={problemId !== null}
        aria-describedby={problemId ?? undefined}
        onInput={(event) => {
          typed.value = event.currentTarget.value;
        }}
        onKeyDown={(event) => {
          if (event.key !== "Enter") return;
          event.preventDefault(); // A token has one line.
          event.currentTarget.form?.requestSubmit();
        }}
      />
    </label>
  );
}

/** What is said below it. */
export function TokenHint() {
  return <p class="hint">It stays in this tab, and is shown to nobody but the server.</p>;
}
