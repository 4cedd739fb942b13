/** Every check, in the order of a report; each shows what came of it as it ends. */

import { CHECK_IDS, type Check, type CheckId } from "sheetbend/doctor";
import { CHECK_TITLES, STATE_WORDS, stateOf } from "./check-words.js";

export function CheckList({ checks }: { checks: ReadonlyMap<CheckId, Check> }) {
  return (
    <ul class="card doctor-checks">
      {CHECK_IDS.map((id) => (
        <CheckRow key={id} id={id} check={checks.get(id)} />
      ))}
    </ul>
  );
}

function CheckRow({ id, check }: { id: CheckId; check: Check | undefined }) {
  const state = stateOf(check);
  return (
    <li class={`doctor-check ${state}`}>
      {state === "running" ? <span class="spinner" aria-hidden="true" /> : <Mark state={state} />}
      <span class="doctor-check-title">{CHECK_TITLES[id]}</span>
      <span class="doctor-check-state">{STATE_WORDS[state]}</span>
      {check !== undefined && <span class="doctor-check-note">{check.note}</span>}
    </li>
  );
}

function Mark({ state }: { state: Check["status"] }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <circle cx="12" cy="12" r="9" />
      {state === "ok" && <path d="M8 12.3l2.7 2.7L16 9.5" />}
      {state === "failed" && <path d="M9 9l6 6M15 9l-6 6" />}
      {state === "skipped" && <path d="M8.5 12h7" />}
    </svg>
  );
}
