/** How files leave the room's page: picked, dropped or pasted, for one or for everybody. */

import type { ComponentChild } from "preact";
import { useEffect } from "preact/hooks";
import type { Self } from "sheetbend";
import type { Notices } from "../notices.js";
import type { Person } from "../room/person.js";
import type { Files } from "./files.js";
import { pickFiles } from "./pick-files.js";
import { EVERYBODY, maySendFiles, recipientsAt } from "./recipients.js";
import { useDrop } from "./use-drop.js";

export interface FileSharingOptions {
  files: Files;
  people: readonly Person[];
  self: Self;
  notices: Notices;
}

export interface FileSharing {
  allowed: boolean;
  sendTo: (person: Person) => void;
  /** Null: there is nobody who would get them. */
  sendToAll: (() => void) | null;
  /** To be drawn over the room. */
  dropArea: ComponentChild;
}

export function useFileSharing({ files, people, self, notices }: FileSharingOptions): FileSharing {
  const allowed = maySendFiles(self);
  const recipients = (key: string | null) => recipientsAt(key, people, allowed);
  const dropArea = useDrop({
    recipients,
    onFiles(given, key) {
      const { members, words } = recipients(key);
      if (members.length === 0) notices.show(words);
      else void files.send(given, members);
    },
    onFolder: () => notices.show("Folders can't be sent: pack them into one file first"),
  });
  useLeaveWarning(files.underWay.value.length > 0);
  const pickFor = (key: string) => pickFiles((picked) => void files.send(picked, recipients(key).members));
  return {
    allowed,
    sendTo: (person) => pickFor(person.key),
    sendToAll: recipients(EVERYBODY).members.length > 0 ? () => pickFor(EVERYBODY) : null,
    dropArea,
  };
}

/** The browser asks before it closes the page, and with it what is under way. */
function useLeaveWarning(needed: boolean): void {
  useEffect(() => {
    if (!needed) return;
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", warn);
    return () => window.removeEventListener("beforeunload", warn);
  }, [needed]);
}
