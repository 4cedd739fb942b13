/** The room's name, its link, and the settings. */

import { CopyIcon, Logo, QrIcon, SettingsIcon } from "../icons.js";
import type { Notices } from "../notices.js";
import { AccessIcon } from "./access-icon.js";
import type { Call } from "./call.js";
import { ACCESS_WORDS } from "./changes.js";
import { copyLink, linkText } from "./invitation.js";
import type { Moderation } from "./moderation.js";

export type DialogName = "access" | "invitation" | "settings";

export interface RoomHeaderProps {
  call: Call;
  moderation: Moderation;
  alone: boolean;
  inert: boolean;
  notices: Notices;
  onOpen: (dialog: DialogName) => void;
}

export function RoomHeader({ call, moderation, alone, inert, notices, onOpen }: RoomHeaderProps) {
  return (
    <header class="room-header" inert={inert}>
      <Logo />
      <bdi class="room-name">{call.roomName}</bdi>
      <AccessButton moderation={moderation} onClick={() => onOpen("access")} />
      {!alone && (
        <>
          <button
            type="button"
            class="icon-button"
            aria-label="Copy link"
            title="Copy link"
            onClick={() => void copyLink(linkText(call.link), notices)}
          >
            <CopyIcon />
          </button>
          <button
            type="button"
            class="icon-button"
            aria-label="Show QR code"
            title="Show QR code"
            onClick={() => onOpen("invitation")}
          >
            <QrIcon />
          </button>
        </>
      )}
      <button
        type="button"
        class="icon-button"
        aria-label="Settings"
        title="Settings"
        onClick={() => onOpen("settings")}
      >
        <SettingsIcon />
      </button>
    </header>
  );
}

/** For moderators the way to change it; for all others it says how it is. */
function AccessButton({ moderation, onClick }: { moderation: Moderation; onClick: () => void }) {
  const access = moderation.access.value;
  const { label, choice } = ACCESS_WORDS[access];
  const name = `Who may enter: ${choice.toLowerCase()}`;
  return (
    <button
      type="button"
      class={access === "open" ? "icon-button" : "icon-button access"}
      aria-label={name}
      aria-haspopup="dialog"
      title={name}
      onClick={onClick}
    >
      <AccessIcon access={access} />
      {access !== "open" && <span class="access-label">{label}</span>}
    </button>
  );
}
