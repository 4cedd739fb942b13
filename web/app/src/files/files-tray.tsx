/** The files of the call, over the stage: what is offered, under way and done. */

import { useSignal } from "@preact/signals";
import { useEffect, useId } from "preact/hooks";
import { ChevronIcon, PaperclipIcon } from "../icons.js";
import { useFocusKept } from "../ui/focus.js";
import { IncomingCard, OutgoingCard } from "./file-card.js";
import type { Files } from "./files.js";

export function FilesTray({ files }: { files: Files }) {
  const listId = useId();
  const open = useSignal(true);
  const tray = useFocusKept<HTMLElement>();
  const list = files.list.value;
  const offered = files.offered.value;
  const underWay = files.underWay.value.length;
  // Whoever is offered something should see it.
  useEffect(() => {
    if (offered > 0) open.value = true;
  }, [offered, open]);
  return (
    <section ref={tray} class="files" aria-label="Files">
      <div class="files-head">
        <button
          type="button"
          class="files-fold"
          aria-expanded={open.value}
          aria-controls={open.value ? listId : undefined}
          onClick={() => {
            open.value = !open.peek();
          }}
        >
          <PaperclipIcon />
          <span class="strong">Files</span>
          <span class="soft">{summary(offered, underWay)}</span>
          <ChevronIcon down={open.value} />
        </button>
        {list.length - offered - underWay > 1 && (
          <button type="button" class="link-button" onClick={() => files.dismissEnded()}>
            Clear
          </button>
        )}
      </div>
      {open.value && (
        <ul id={listId}>
          {list.map((file) =>
            file.direction === "in" ? (
              <IncomingCard key={file.key} file={file} onDismiss={() => files.dismiss(file)} />
            ) : (
              <OutgoingCard key={file.key} file={file} onDismiss={() => files.dismiss(file)} />
            ),
          )}
        </ul>
      )}
    </section>
  );
}

function summary(offered: number, underWay: number): string {
  return [offered > 0 && `${offered} for you`, underWay > 0 && `${underWay} under way`]
    .filter((part) => part !== false)
    .join(" · ");
}
