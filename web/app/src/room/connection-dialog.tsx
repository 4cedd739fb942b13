/** How one member is reached, in figures, and the safety words to compare with them. */

import { SAFETY_WORDS } from "sheetbend/safety-words";
import { Dialog } from "../ui/dialog.js";
import { otherLinkNews } from "./changes.js";
import type { Person } from "./person.js";
import { PATH_WORDS } from "./quality.js";

const NOTHING = "–";

export function ConnectionDialog({ person, onClose }: { person: Person; onClose: () => void }) {
  const name = person.name.value;
  return (
    <Dialog title={`Connection with ${name}`} onClose={onClose}>
      {person.connection.value === "unverified" ? (
        <p>{otherLinkNews(name)}. Send them the link of this room once more, all of it.</p>
      ) : (
        <>
          <Figures person={person} />
          <Sealing person={person} />
        </>
      )}
    </Dialog>
  );
}

function Figures({ person }: { person: Person }) {
  const quality = person.quality.value;
  return (
    <dl class="figures">
      <dt>Path</dt>
      <dd>{quality === null ? "None at the moment" : PATH_WORDS[quality.path]}</dd>
      <dt>Quality</dt>
      <dd>{quality?.grade ?? NOTHING}</dd>
      <dt>Round trip</dt>
      <dd>{figure(quality?.rttMs, "ms")}</dd>
      <dt>Sound and pictures</dt>
      <dd>{figure(inThousands(quality?.bitsPerS), "kbit/s")}</dd>
      <dt>Of these lost</dt>
      <dd>{figure(inHundredths(quality?.lossShare), "%", 1)}</dd>
      <dt>Jitter</dt>
      <dd>{figure(quality?.jitterMs, "ms")}</dd>
    </dl>
  );
}

function Sealing({ person }: { person: Person }) {
  const name = person.name.value;
  const words = person.safetyWords.value;
  const { sealing } = person.member;
  if (sealing === null) {
    return (
      <section class="sealing">
        <h3>Not sealed</h3>
        <p>Their program, or this page, has no keys: whoever runs the server could listen in.</p>
      </section>
    );
  }
  return (
    <section class="sealing">
      <h3>Nobody in between?</h3>
      <p>
        {sealing === "secret"
          ? "The link's secret vouches for everyone who has the link. These words show that none of them stands between you either."
          : "What you say is encrypted between you two. These words show that nobody stands in between."}{" "}
        Read them to each other: if they are the same, in the same order, nobody listens in between. If one
        differs, somebody may: hang up.
      </p>
      {words === null ? (
        <p class="hint">They aren't there yet.</p>
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

function figure(value: number | null | undefined, unit: string, digits = 0): string {
  return value == null ? NOTHING : `${value.toFixed(digits)} ${unit}`;
}

function inThousands(value: number | null | undefined): number | null {
  return value == null ? null : value / 1000;
}

function inHundredths(value: number | null | undefined): number | null {
  return value == null ? null : value * 100;
}
