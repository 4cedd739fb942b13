/** The app's mark, which leads home. */

import { Logo } from "../icons.js";

export function Brand({ onHome }: { onHome: () => void }) {
  return (
    <header class="brand">
      <a
        href="/"
        onClick={(event) => {
          event.preventDefault();
          onHome();
        }}
      >
        <Logo />
        <span>Sheetbend</span>
      </a>
    </header>
  );
}
