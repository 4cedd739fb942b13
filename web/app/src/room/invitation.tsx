/** The room's link, as text, on the clipboard and as a QR code. */

import { CopyIcon } from "../icons.js";
import type { Notices } from "../notices.js";
import { type RoomLink, roomPath } from "../route.js";
import { QrCode } from "../ui/qr-code.js";

export function linkText(link: RoomLink): string {
  return new URL(roomPath(link), window.location.origin).href;
}

export async function copyLink(link: string, notices: Notices): Promise<void> {
  notices.show((await copyText(link)) ? "Link copied" : "Copying didn't work: select the link and copy it");
}

export interface InvitationProps {
  to: RoomLink;
}

export function Invitation({ to }: InvitationProps) {
  const link = linkText(to);
  return (
    <div class="invitation">
      <QrCode text={link} label="QR code of the room's link" />
      <p class="invitation-link" dir="ltr">
        {link.replace(/^https?:\/\//, "")}
      </p>
      <p class="invitation-hint">
        {to.secret === null
          ? "Whoever knows the room's name can come in."
          : "Only the whole link opens the calls in this room: what stands behind # never reaches the server."}
      </p>
      {isLoopback(window.location.hostname) && (
        <p class="invitation-hint">
          This link works on this computer only. To invite others, open the room at this computer's network
          address.
        </p>
      )}
    </div>
  );
}

function isLoopback(host: string): boolean {
  return /^(localhost|.*\.localhost|127(\.\d+){3}|\[::1\])$/.test(host);
}

/** Shown in place of the others while nobody else is there. */
export function WaitingCard({ to, notices }: { to: RoomLink; notices: Notices }) {
  return (
    <section class="card waiting" aria-labelledby="waiting-title">
      <div>
        <h2 id="waiting-title">Waiting for others</h2>
        <p>You are the only one here. Send the link, or let a phone scan it.</p>
      </div>
      <Invitation to={to} />
      <button type="button" class="button primary" onClick={() => void copyLink(linkText(to), notices)}>
        <CopyIcon />
        Copy link
      </button>
    </section>
  );
}

async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text); // no clipboard on pages that aren't secure, or it isn't allowed
  }
}

function copyBySelection(text: string): boolean {
  const area = document.createElement("textarea");
  area.value = text;
  area.readOnly = true;
  area.className = "visually-hidden";
  const focused = document.activeElement;
  document.body.append(area);
  area.select();
  try {
    return document.execCommand("copy");
  } finally {
    area.remove();
    if (focused instanceof HTMLElement) focused.focus();
  }
}
