/** The connection doctor: what works between this browser and the server, and what that means for calls. */

import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { Report, Verdict } from "sheetbend/doctor";
import { CopyIcon } from "../icons.js";
import type { Notices } from "../notices.js";
import { TokenField, TokenHint } from "../room/token-field.js";
import type { Router } from "../route.js";
import { cleanToken, type TokenKeeper } from "../token.js";
import { Brand } from "../ui/brand.js";
import { PageHeading } from "../ui/page-heading.js";
import { CheckList } from "./check-list.js";
import { Examination } from "./examination.js";

export interface DoctorPageProps {
  router: Router;
  notices: Notices;
  tokens: TokenKeeper;
}

export function DoctorPage({ router, notices, tokens }: DoctorPageProps) {
  const examination = useMemo(() => new Examination(), []);
  const runs = useSignal(0);
  useEffect(() => {
    examination.start(tokens.token);
    return () => examination.stop();
  }, [examination, tokens]);
  const startAgain = () => {
    runs.value += 1;
    examination.start(tokens.token);
  };
  const report = examination.report.value;
  return (
    <div class="doctor">
      <Brand onHome={() => router.openHome()} />
      <main class="doctor-main">
        {/* Anew with each run: the button that began it is gone, and the focus must go somewhere. */}
        <PageHeading key={runs.value}>Connection check</PageHeading>
        <div role="status">{report === null ? <Busy /> : <VerdictBox verdict={report.verdict} />}</div>
        {report?.verdict.code === "token_needed" && (
          <TokenForm
            onToken={(token) => {
              tokens.keep(token);
              startAgain();
            }}
          />
        )}
        <CheckList checks={examination.checks.value} />
        {report !== null && <ReportPart report={report} notices={notices} onAgain={startAgain} />}
      </main>
    </div>
  );
}

function Busy() {
  return (
    <p class="doctor-verdict busy">
      <span class="spinner" aria-hidden="true" />
      Checking the ways between this browser and the server… It takes a few seconds.
    </p>
  );
}

function VerdictBox({ verdict }: { verdict: Verdict }) {
  return (
    <div class={`doctor-verdict ${verdict.ok ? "well" : "ill"}`}>
      <p class="doctor-sentence">{verdict.sentence}</p>
      {verdict.advice.length > 0 && (
        <ul class="doctor-advice">
          {verdict.advice.map((advice) => (
            <li key={advice}>{advice}</li>
          ))}
        </ul>
      )}
    </div>
  );
}

function TokenForm({ onToken }: { onToken: (token: string) => void }) {
  const typed = useSignal("");
  return (
    <form
      class="card doctor-token"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        const token = cleanToken(typed.value);
        if (token !== "") onToken(token);
      }}
    >
      <TokenField typed={typed} />
      <TokenHint />
      <button type="submit" class="button primary">
        Check with this token
      </button>
    </form>
  );
}

interface ReportPartProps {
  report: Report;
  notices: Notices;
  onAgain: () => void;
}

function ReportPart({ report, notices, onAgain }: ReportPartProps) {
  const shown = useRef<HTMLPreElement>(null);
  const text = JSON.stringify(report, null, 2);
  const copy = async () => {
    const isCopied = (await write(text)) || (shown.current !== null && copyBySelection(shown.current));
    notices.show(isCopied ? "Report copied" : "Copying didn't work: open the report and copy it");
  };
  return (
    <section class="doctor-report" aria-label="Report">
      <p class="actions">
        <button type="button" class="button primary" onClick={() => void copy()}>
          <CopyIcon />
          Copy report
        </button>
        <button type="button" class="button" onClick={onAgain}>
          Check again
        </button>
      </p>
      <p class="hint">
        For whoever helps you. It has this computer's network addresses in it, but no token and no password.
      </p>
      <details>
        <summary>Show the report</summary>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, which a keyboard must be able to do */}
        <pre ref={shown} dir="ltr" tabIndex={0}>
          {text}
        </pre>
      </details>
    </section>
  );
}

async function write(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false; // no clipboard on pages that aren't secure, or it isn't allowed
  }
}

function copyBySelection(element: HTMLElement): boolean {
  const details = element.closest("details");
  if (details !== null) details.open = true; // what isn't shown can't be selected
  window.getSelection()?.selectAllChildren(element);
  return document.execCommand("copy");
}
