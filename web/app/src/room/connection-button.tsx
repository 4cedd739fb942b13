/** How a person is reached and how well, as a small button that leads to the figures and the safety words. */

import { ShieldIcon, SignalIcon, SignalOffIcon } from "../icons.js";
import type { Person } from "./person.js";
import { type Grade, PATH_WORDS } from "./quality.js";

const BARS: Readonly<Record<Grade, number>> = { good: 3, fair: 2, poor: 1 };

export interface ConnectionButtonProps {
  person: Person;
  class: string;
  onLook: (person: Person) => void;
}

export function ConnectionButton({ person, class: place, onLook }: ConnectionButtonProps) {
  const quality = person.quality.value;
  const verified = isVerified(person);
  const grade = quality?.grade ?? null;
  const text = connectionText(person);
  return (
    <button
      type="button"
      class={`quality ${place}${grade === null ? "" : ` ${grade}`}`}
      aria-label={`Connection with ${person.name.value}: ${text}`}
      aria-haspopup="dialog"
      title={text}
      onClick={() => onLook(person)}
    >
      {quality === null ? <SignalOffIcon /> : <SignalIcon bars={grade === null ? 0 : BARS[grade]} />}
      {quality !== null && <span class="quality-path">{PATH_WORDS[quality.path]}</span>}
      {verified && <ShieldIcon />}
    </button>
  );
}

/** Nobody is verified who can't be reached. */
export function isVerified(person: Person): boolean {
  return person.verified.value && person.connection.value !== "unverified";
}

function connectionText(person: Person): string {
  const quality = person.quality.value;
  if (person.connection.value === "unverified") return "none, they have another link";
  if (quality === null) return "none at the moment";
  return [PATH_WORDS[quality.path], quality.grade, isVerified(person) && "words compared"]
    .filter((part) => part !== null && part !== false)
    .join(", ");
}
