/** Who may enter the room: chosen by moderators, read by everybody. */

import { useSignal } from "@preact/signals";
import { useId } from "preact/hooks";
import type { Access } from "sheetbend";
import { Dialog } from "../ui/dialog.js";
import { AccessIcon } from "./access-icon.js";
import { ownName } from "./attributes.js";
import type { Call } from "./call.js";
import { ACCESS_WORDS } from "./changes.js";
import type { Moderation } from "./moderation.js";

export interface AccessDialogProps {
  call: Call;
  moderation: Moderation;
  onClose: () => void;
}

const CHOICES: readonly Access[] = ["open", "lobby", "locked"];

export function AccessDialog({ call, moderation, onClose }: AccessDialogProps) {
  return (
    <Dialog title="Who may enter" onClose={onClose}>
      {moderation.allowed.value ? (
        <AccessChoice moderation={moderation} />
      ) : (
        <AccessFact access={moderation.access.value} />
      )}
      <p class="hint">{moderatorsWords(moderatorNames(call, moderation))}</p>
    </Dialog>
  );
}

function AccessChoice({ moderation }: { moderation: Moderation }) {
  /** Chosen, and not yet confirmed by the server. */
  const wanted = useSignal<Access | null>(null);
  const group = useId();
  const choose = async (access: Access) => {
    wanted.value = access;
    await moderation.setAccess(access);
    wanted.value = null;
  };
  const waiting = moderation.waiting.value.length;
  return (
    <fieldset class="choices">
      <legend class="visually-hidden">Who may enter</legend>
      {CHOICES.map((access) => (
        <label key={access} class="choice">
          <input
            type="radio"
            name={group}
            autofocus={access === moderation.access.peek()}
            checked={access === (wanted.value ?? moderation.access.value)}
            aria-describedby={`${group}-${access}`}
            onChange={() => void choose(access)}
          />
          <AccessIcon access={access} />
          <span class="choice-text">
            <span class="strong">{ACCESS_WORDS[access].choice}</span>
            <span id={`${group}-${access}`} class="hint" aria-hidden="true">
              {ACCESS_WORDS[access].explanation}
              {access === "open" && waiting > 0 && " Those who wait are let in."}
            </span>
          </span>
        </label>
      ))}
    </fieldset>
  );
}

function AccessFact({ access }: { access: Access }) {
  const { choice, explanation } = ACCESS_WORDS[access];
  return (
    <div class="choice">
      <AccessIcon access={access} />
      <p class="choice-text">
        <span class="strong">{choice}</span>
        <span class="hint">{explanation}</span>
      </p>
    </div>
  );
}

function moderatorNames(call: Call, moderation: Moderation): readonly string[] {
  const others = call.people.value.filter((person) => person.can.value.has("moderate"));
  const names = others.map((person) => person.name.value);
  return moderation.allowed.value ? [ownName(call.name.value), ...names] : names;
}

function moderatorsWords(names: readonly string[]): string {
  if (names.length === 0) return "Nobody here moderates this room.";
  return `${names.length === 1 ? "Moderator" : "Moderators"}: ${names.join(", ")}`;
}
