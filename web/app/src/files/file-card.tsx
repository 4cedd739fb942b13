/** One file: whose it is, how far it is, and what can be done about it. */

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import {
  ArchiveIcon,
  CameraIcon,
  CloseIcon,
  FileIcon,
  PictureIcon,
  SoundIcon,
  TextFileIcon,
  WarningIcon,
} from "../icons.js";
import { MEMORY_BYTES_MAX } from "./destination.js";
import { type FileKind, kindOf, partsOf, percentOf, progressWords, sizeWords } from "./file-words.js";
import type { IncomingFile } from "./incoming-file.js";
import { type Progress, together } from "./meter.js";
import type { Delivery, DeliveryState, OutgoingFile } from "./outgoing-file.js";

const KIND_ICONS: Readonly<Record<FileKind, () => preact.JSX.Element>> = {
  picture: PictureIcon,
  video: CameraIcon,
  sound: SoundIcon,
  archive: ArchiveIcon,
  text: TextFileIcon,
  program: WarningIcon,
  other: FileIcon,
};

/** Why a file is too big for browsers that can't write it as it comes. */
const TOO_BIG = `This browser takes files of up to ${sizeWords(MEMORY_BYTES_MAX)}. Chrome and Edge on a computer take any size.`;

export function IncomingCard({ file, onDismiss }: { file: IncomingFile; onDismiss: () => void }) {
  const state = file.state.value;
  const isProgram = kindOf(file.name) === "program";
  return (
    <Card
      name={file.name}
      size={file.size}
      who={
        <>
          from <bdi class="strong">{file.from}</bdi>
        </>
      }
      at={state.at}
    >
      {state.at === "offered" && (
        <>
          {state.tooBig && <p class="file-words problem">{TOO_BIG}</p>}
          {isProgram && !state.tooBig && (
            <p class="file-words warns">This is a program. Take it only if you know why it is sent to you.</p>
          )}
          <span class="file-answers" key="offered">
            <button
              type="button"
              class="button small"
              aria-label={`Decline ${file.name}`}
              onClick={() => file.decline()}
            >
              Decline
            </button>
            {!state.tooBig && (
              <button
                type="button"
                class="button primary small"
                aria-label={`Accept ${file.name}`}
                onClick={() => void file.accept()}
              >
                Accept
              </button>
            )}
          </span>
        </>
      )}
      {(state.at === "moving" || state.at === "interrupted") && (
        <Moving
          key="moving"
          name={file.name}
          progress={state.progress}
          interrupted={
            state.at === "interrupted" ? `Interrupted: it goes on when ${file.from} sends it again` : null
          }
          onCancel={() => file.cancel()}
        />
      )}
      {state.at === "done" && (
        <Ended key="ended" name={file.name} words={state.words} onDismiss={onDismiss}>
          {state.saveAgain !== null && (
            <button type="button" class="link-button" onClick={state.saveAgain}>
              Save again
            </button>
          )}
        </Ended>
      )}
      {state.at === "failed" && (
        <Ended key="ended" name={file.name} words={state.words} onDismiss={onDismiss} />
      )}
    </Card>
  );
}

export function OutgoingCard({ file, onDismiss }: { file: OutgoingFile; onDismiss: () => void }) {
  const { deliveries } = file;
  const moving = deliveries.filter(({ state }) => isOnItsWay(state.value));
  const isActive = file.active.value;
  const waiting = deliveries.filter(({ state }) => state.value.at === "offered");
  const isInterrupted = moving.length > 0 && !deliveries.some(({ state }) => state.value.at === "moving");
  return (
    <Card
      name={file.name}
      size={file.size}
      who={
        <>
          to <bdi class="strong">{file.to}</bdi>
        </>
      }
      at={outgoingState(file)}
    >
      {moving.length > 0 && (
        <Moving
          key="moving"
          name={file.name}
          progress={together(deliveries.flatMap(progressOf))}
          interrupted={isInterrupted ? "Interrupted: it goes on when the connection is back" : null}
          onCancel={() => file.cancel()}
        />
      )}
      {deliveries.length > 1 && <DeliveryList deliveries={deliveries} />}
      {waiting.length > 0 && moving.length === 0 && (
        <span class="file-row" key="offered">
          <span class="file-words">
            {deliveries.length === 1 ? `Waiting for ${file.to} to accept` : "Waiting for answers"}
          </span>
          <CancelButton name={file.name} onCancel={() => file.cancel()} />
        </span>
      )}
      {!isActive && <Ended key="ended" name={file.name} words={endWords(deliveries)} onDismiss={onDismiss} />}
    </Card>
  );
}

function isOnItsWay(state: DeliveryState): state is DeliveryState & { progress: Progress } {
  return state.at === "moving" || state.at === "interrupted";
}

/** Whoever has it counts, or the bar would go back when they do. */
function progressOf({ state, size }: Delivery): readonly Progress[] {
  const { value } = state;
  if (value.at === "done") return [{ done: size, size, bytesPerS: null }];
  return isOnItsWay(value) ? [value.progress] : [];
}

function outgoingState({ deliveries, active }: OutgoingFile): "moving" | "done" | "failed" {
  if (active.value) return "moving";
  return deliveries.every(({ state }) => state.value.at === "done") ? "done" : "failed";
}

function endWords(deliveries: readonly Delivery[]): string {
  const [only] = deliveries;
  const done = deliveries.filter(({ state }) => state.value.at === "done").length;
  if (deliveries.length > 1 || only === undefined) return `${done} of ${deliveries.length} have it.`;
  const { value } = only.state;
  return value.at === "failed" ? value.words : `${only.to} has it.`;
}

/** Of several people each that isn't plain: who has it, who waits is only counted. */
function DeliveryList({ deliveries }: { deliveries: readonly Delivery[] }) {
  const failures = deliveries.flatMap(({ state: { value } }) => (value.at === "failed" ? [value.words] : []));
  const counts = [
    countWords(deliveries, "offered", "not answered yet"),
    countWords(deliveries, "moving", "under way"),
    countWords(deliveries, "interrupted", "interrupted"),
    countWords(deliveries, "done", "done"),
  ].filter((words) => words !== null);
  const isActive = deliveries.some(({ active }) => active.value);
  return (
    <>
      {isActive && counts.length > 0 && <p class="file-words">{counts.join(" · ")}</p>}
      {failures.length > 0 && (
        <ul class="file-words">
          {[...new Set(failures)].map((words) => (
            <li key={words}>
              <bdi>{words}</bdi>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

function countWords(deliveries: readonly Delivery[], at: string, words: string): string | null {
  const count = deliveries.filter(({ state }) => state.value.at === at).length;
  return count === 0 ? null : `${count} ${words}`;
}

interface CardProps {
  name: string;
  size: number;
  who: ComponentChildren;
  at: "offered" | "moving" | "interrupted" | "done" | "failed";
  children: ComponentChildren;
}

function Card({ name, size, who, at, children }: CardProps) {
  const card = useRef<HTMLLIElement>(null);
  // Asked while rendering: a button that goes away takes the focus with it.
  const hadFocus = card.current?.contains(document.activeElement) ?? false;
  useLayoutEffect(() => {
    if (hadFocus && !card.current?.contains(document.activeElement))
      card.current?.querySelector<HTMLElement>("button")?.focus();
  });
  const { stem, ending } = partsOf(name);
  const kind = kindOf(name);
  const Kind = KIND_ICONS[kind];
  return (
    <li ref={card} class={`file ${at}`}>
      <span class={`file-kind ${kind}`}>
        <Kind />
      </span>
      <div class="file-body">
        <p class="file-name" title={name}>
          <span class="visually-hidden">{name}</span>
          <bdi class="file-stem" aria-hidden="true">
            {stem}
          </bdi>
          <bdi aria-hidden="true">{ending}</bdi>
        </p>
        <p class="file-words">
          {sizeWords(size)} {who}
        </p>
        {children}
      </div>
    </li>
  );
}

interface MovingProps {
  name: string;
  progress: Progress;
  /** Why nothing moves; null while it does. */
  interrupted: string | null;
  onCancel: () => void;
}

function Moving({ name, progress, interrupted, onCancel }: MovingProps) {
  const percent = percentOf(progress);
  const words = interrupted ?? progressWords(progress);
  return (
    <>
      <div
        class={interrupted === null ? "progress" : "progress halted"}
        role="progressbar"
        aria-label={name}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={percent}
        aria-valuetext={words}
      >
        <div style={{ width: `${percent}%` }} />
      </div>
      <span class="file-row">
        <span class="file-words">{words}</span>
        <CancelButton name={name} onCancel={onCancel} />
      </span>
    </>
  );
}

function CancelButton({ name, onCancel }: { name: string; onCancel: () => void }) {
  return (
    <button type="button" class="link-button" aria-label={`Cancel ${name}`} onClick={onCancel}>
      Cancel
    </button>
  );
}

interface EndedProps {
  name: string;
  words: string;
  onDismiss: () => void;
  children?: ComponentChildren;
}

function Ended({ name, words, onDismiss, children }: EndedProps) {
  return (
    <span class="file-row">
      <span class="file-words end">{words}</span>
      {children}
      <button
        type="button"
        class="icon-button dismiss"
        aria-label={`Remove ${name} from the list`}
        onClick={onDismiss}
      >
        <CloseIcon />
      </button>
    </span>
  );
}
