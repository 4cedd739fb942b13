/** How one member is reached, in figures, and the safety words to compare with them. */

import { SAFETY_WORDS } from "sheetbend/safety-words";
import { SignalIcon } from "../icons.js";
import { Dialog } from "../ui/dialog.js";
import type { Person } from "./person.js";
import { type Grade, PATH_WORDS } from "./quality.js";

const GRADE_WORDS: Readonly<Record<Grade, string>> = { good: "good", fair: "fair", poor: "poor" };

/** Bars and words: how a person is reached, and how well. */
export function QualityMark({ person, words }: { person: Person; words: boolean }) {
  const quality = person.quality.value;
  if (quality === null) return null;
  const text = `${PATH_WORDS[quality.path]}, ${GRADE_WORDS[quality.grade]}`;
  return (
    <span class={`quality ${quality.grade}`} title={text}>
      <SignalIcon bars={{ good: 3, fair: 2, poor: 1 }[quality.grade]} />
      <span class={words ? "" : "visually-hidden"}>{text}</span>
    </span>
  );
}

export function ConnectionDialog({ person, onClose }: { person: Person; onClose: () => void }) {
  const quality = person.quality.value;
  const name = person.name.value;
  return (
    <Dialog title={`Connection with ${name}`} onClose={onClose}>
      <dl class="figures">
        <dt>Way</dt>
        <dd>{quality === null ? "None at the moment" : PATH_WORDS[quality.path]}</dd>
        <dt>Quality</dt>
        <dd>{quality === null ? "–" : GRADE_WORDS[quality.grade]}</dd>
        <dt>There and back</dt>
        <dd>{quality?.rttMs == null ? "–" : `${Math.round(quality.rttMs)} ms`}</dd>
        <dt>Lost of sound and pictures</dt>
        <dd>{quality?.lossShare == null ? "–" : `${(quality.lossShare * 100).toFixed(1)} %`}</dd>
      </dl>
      <Sealing person={person} />
    </Dialog>
  );
}

function Sealing({ person }: { person: Person }) {
  const name = person.name.value;
  const words = person.safetyWords.value;
  const { sealing } = person.member;
  if (sealing === null)
    return <p>Their browser, or this page, can't seal anything: the server could listen to what you send.</p>;
  return (
    <section class="sealing">
      <h3>Nobody in between?</h3>
      <p>
        {sealing === "secret"
          ? "You both have the whole link of this room, which its server hasn't. To be sure that nobody else with the link stands between you:"
          : "What you say is encrypted between you. To be sure that nobody stands in between, not even the server:"}{" "}
        read these to each other.
      </p>
      {words === null ? (
        <p class="quiet">They aren't there yet.</p>
      ) : (
        <ol class="safety-words" aria-label="Safety words">
          {words.map((number, place) => {
            const [picture = "", word = ""] = SAFETY_WORDS[number] ?? [];
            return (
              <li key={place}>
                <span aria-hidden="true">{picture}</span>
                {word}
              </li>
            );
          })}
        </ol>
      )}
      <label class="check">
        <input
          type="checkbox"
          checked={person.verified.value}
          disabled={words === null}
          onChange={(event) => person.setVerified(event.currentTarget.checked)}
        />
        {name} has the same words, in the same order
      </label>
    </section>
  );
}
