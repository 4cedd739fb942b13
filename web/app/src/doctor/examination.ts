/** One run of the doctor, from its start to its report. */

import { type ReadonlySignal, signal } from "@preact/signals";
import type { Check, CheckId, Report } from "sheetbend/doctor";
import { diagnose } from "sheetbend/doctor";

export class Examination {
  readonly #checks = signal<ReadonlyMap<CheckId, Check>>(new Map());
  readonly #report = signal<Report | null>(null);
  #running = new AbortController();

  /** Those that have ended. */
  get checks(): ReadonlySignal<ReadonlyMap<CheckId, Check>> {
    return this.#checks;
  }

  /** Null while it runs. */
  get report(): ReadonlySignal<Report | null> {
    return this.#report;
  }

  /** Begins anew, in place of what runs. */
  start(token: string | null): void {
    this.stop();
    const running = new AbortController();
    this.#running = running;
    this.#checks.value = new Map();
    this.#report.value = null;
    const onCheck = (check: Check) => {
      this.#checks.value = new Map(this.#checks.value).set(check.id, check);
    };
    diagnose(window.location.origin, {
      signal: running.signal,
      onCheck,
      ...(token !== null && { token }),
    }).then(
      (report) => {
        this.#report.value = report;
      },
      () => {}, // stopped
    );
  }

  stop(): void {
    this.#running.abort();
  }
}
