/** Files that are dropped or pasted somewhere in the room: whom they are for, and what the page shows meanwhile. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Recipients } from "./recipients.js";

export interface DropOptions {
  /** `key`: what `data-drop` says where they are, null elsewhere in the room. */
  recipients(key: string | null): Recipients;
  onFiles(files: readonly File[], key: string | null): void;
  onFolder(): void;
}

interface Hover {
  recipients: Recipients;
  box: DOMRect;
}

/** Returns what is to be drawn over the room. */
export function useDrop(options: DropOptions) {
  const current = useRef(options);
  current.current = options;
  const hover = useSignal<Hover | null>(null);
  useEffect(() => {
    const over = (event: DragEvent) => {
      if (!hasFiles(event.dataTransfer)) return;
      event.preventDefault(); // Or the browser would leave the call for the file.
      const target = targetOf(event.target);
      const recipients = current.current.recipients(target.key);
      event.dataTransfer.dropEffect = recipients.members.length > 0 ? "copy" : "none";
      hover.value = { recipients, box: target.element.getBoundingClientRect() };
    };
    const leave = (event: DragEvent) => {
      if (event.relatedTarget === null) hover.value = null;
    };
    const drop = (event: DragEvent) => {
      hover.value = null;
      if (!hasFiles(event.dataTransfer)) return;
      event.preventDefault();
      take(event.dataTransfer, targetOf(event.target).key);
    };
    const paste = (event: ClipboardEvent) => {
      // What office programs copy is text first, and a picture of it.
      if (!hasFiles(event.clipboardData) || event.clipboardData.types.includes("text/plain")) return;
      event.preventDefault();
      take(event.clipboardData, targetOf(event.target).key);
    };
    const take = (data: DataTransfer, key: string | null) => {
      const files = filesIn(data);
      if (files === null) current.current.onFolder();
      else current.current.onFiles(files, key);
    };
    window.addEventListener("dragover", over);
    window.addEventListener("dragleave", leave);
    window.addEventListener("drop", drop);
    window.addEventListener("paste", paste);
    return () => {
      window.removeEventListener("dragover", over);
      window.removeEventListener("dragleave", leave);
      window.removeEventListener("drop", drop);
      window.removeEventListener("paste", paste);
    };
  }, [hover]);
  return hover.value && <DropArea {...hover.value} />;
}

function DropArea({ recipients: { members, words }, box: { left, top, width, height } }: Hover) {
  const any = members.length > 0;
  return (
    <div
      class={any ? "drop-area" : "drop-area nobody"}
      style={{ left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` }}
      aria-hidden="true"
    >
      <span>{any ? `Send to ${words}` : words}</span>
    </div>
  );
}

function hasFiles(data: DataTransfer | null): data is DataTransfer {
  return data?.types.includes("Files") ?? false;
}

function targetOf(place: EventTarget | null): { element: Element; key: string | null } {
  const element = place instanceof Element ? place.closest<HTMLElement>("[data-drop]") : null;
  const room = document.querySelector(".stage") ?? document.body;
  return element === null ? { element: room, key: null } : { element, key: element.dataset.drop ?? null };
}

/** Null: a folder is among them, which looks like a file and can't be read as one. */
function filesIn(data: DataTransfer): readonly File[] | null {
  const entries = [...data.items].map((item) => item.webkitGetAsEntry());
  return entries.some((entry) => entry?.isDirectory) ? null : [...data.files];
}
