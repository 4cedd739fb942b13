/** Asks once more before somebody is put out of the room. */

import { Dialog } from "../ui/dialog.js";
import type { Moderation } from "./moderation.js";
import type { Person } from "./person.js";

export interface RemoveDialogProps {
  person: Person;
  moderation: Moderation;
  onClose: () => void;
}

export function RemoveDialog({ person, moderation, onClose }: RemoveDialogProps) {
  const name = person.name.value;
  const bySubject = person.member.subject !== null;
  return (
    <Dialog title={`Remove ${name}?`} onClose={onClose}>
      <p>
        <bdi>{name}</bdi> leaves at once and can't come back in this session, for as long as the room lives.
      </p>
      {!bySubject && (
        <p class="hint">
          Whoever has the link could still enter anew, as somebody else. A lobby or a locked room prevents
          that.
        </p>
      )}
      <p class="actions">
        {/* The harmless answer has the focus. */}
        <button type="button" class="button" autofocus onClick={onClose}>
          Cancel
        </button>
        <button
          type="button"
          class="button danger"
          onClick={() => {
            void moderation.remove(person);
            onClose();
          }}
        >
          Remove
        </button>
      </p>
    </Dialog>
  );
}
