/** Tells a moderator that somebody waits in the lobby, until they are answered. */

import { DoorIcon } from "../icons.js";
import { useFocusKept } from "../ui/focus.js";
import type { Moderation, Waiting } from "./moderation.js";

export interface KnockCardProps {
  moderation: Moderation;
  /** Opens the list of all who wait. */
  onShow: () => void;
}

export function KnockCard({ moderation, onShow }: KnockCardProps) {
  const waiting = moderation.waiting.value;
  const [first] = waiting;
  if (!moderation.allowed.value || first === undefined) return null;
  return (
    <section class="knock" aria-label="Waiting to be let in">
      <DoorIcon />
      <p class="knock-text">
        <bdi class="strong">{first.name}</bdi> {waitWords(waiting.length - 1)}
      </p>
      {waiting.length === 1 ? (
        <KnockAnswers moderation={moderation} waiting={first} />
      ) : (
        // One button for each of them is in the list: here the next one would slip under a second click.
        <button type="button" class="button primary small" onClick={onShow}>
          Show all
        </button>
      )}
    </section>
  );
}

/** Lets somebody in, or sends them away. */
export function KnockAnswers({ moderation, waiting }: { moderation: Moderation; waiting: Waiting }) {
  const answers = useFocusKept<HTMLSpanElement>();
  return (
    <span ref={answers} class="knock-answers">
      <button
        type="button"
        class="button small"
        aria-label={`Turn ${waiting.name} away`}
        onClick={() => void moderation.turnAway(waiting.userId)}
      >
        Turn away
      </button>
      <button
        type="button"
        class="button primary small"
        aria-label={`Admit ${waiting.name}`}
        onClick={() => void moderation.admit(waiting.userId)}
      >
        Admit
      </button>
    </span>
  );
}

function waitWords(others: number): string {
  if (others === 0) return "is waiting to be let in";
  return others === 1
    ? "and one more are waiting to be let in"
    : `and ${others} others are waiting to be let in`;
}
