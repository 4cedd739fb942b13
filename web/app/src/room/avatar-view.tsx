/** Somebody without a picture. */

import { hueOf, initials } from "./avatar.js";

export function Avatar({ name }: { name: string }) {
  return (
    <span class={`avatar hue-${hueOf(name)}`} aria-hidden="true">
      {initials(name)}
    </span>
  );
}
