/** The room's name, its link, and the settings. */

import { CopyIcon, Logo, QrIcon, SettingsIcon } from "../icons.js";
import type { Notices } from "../notices.js";
import type { Call } from "./call.js";
import { copyLink, roomLink } from "./invitation.js";

export type DialogName = "invitation" | "settings";

export interface RoomHeaderProps {
  call: Call;
  alone: boolean;
  inert: boolean;
  notices: Notices;
  onOpen: (dialog: DialogName) => void;
}

export function RoomHeader({ call, alone, inert, notices, onOpen }: RoomHeaderProps) {
  return (
    <header class="room-header" inert={inert}>
      <Logo />
      <bdi class="room-name">{call.roomName}</bdi>
      {!alone && (
        <>
          <button
            type="button"
            class="icon-button"
            aria-label="Copy link"
            title="Copy link"
            onClick={() => void copyLink(roomLink(call.roomName), notices)}
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
