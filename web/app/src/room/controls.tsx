/** The switches of the call. */

import { ChatIcon, LeaveIcon, MembersIcon, ScreenIcon, ScreenOffIcon } from "../icons.js";
import type { Devices } from "../media/devices.js";
import type { ScreenShare } from "../media/screen-share.js";
import { type Badge, ControlButton } from "../ui/control-button.js";
import { CameraButton, MicrophoneButton } from "./device-buttons.js";
import type { Shortcut } from "./shortcuts.js";

export type PanelName = "chat" | "members";

export interface ControlsProps {
  devices: Devices;
  screenShare: ScreenShare;
  unread: number;
  memberCount: number;
  waitingCount: number;
  /** Whether this person may send sound and pictures. */
  mayPublish: boolean;
  panel: PanelName | null;
  shortcutsOn: boolean;
  inert: boolean;
  onPanel: (panel: PanelName) => void;
  onShare: () => void;
  onLeave: () => void;
}

export function Controls(props: ControlsProps) {
  const { unread, panel, onPanel } = props;
  const keyed = (key: Shortcut) => (props.shortcutsOn ? key : undefined);
  return (
    <section class="controls" id="controls" aria-label="Call controls" inert={props.inert}>
      {props.mayPublish ? (
        <MediaControls {...props} />
      ) : (
        <p class="controls-hint">
          You can see and hear the others. Sending sound or pictures isn't open to you.
        </p>
      )}
      <ControlButton
        name="Chat"
        icon={<ChatIcon />}
        shortcut={keyed("c")}
        pressed={panel === "chat"}
        badge={unread > 0 ? { text: String(unread), meaning: `${unread} unread` } : undefined}
        onClick={() => onPanel("chat")}
      />
      <ControlButton
        name="Members"
        icon={<MembersIcon />}
        shortcut={keyed("p")}
        pressed={panel === "members"}
        badge={membersBadge(props)}
        onClick={() => onPanel("members")}
      />
      <ControlButton name="Leave" icon={<LeaveIcon />} tone="danger" onClick={props.onLeave} />
    </section>
  );
}

function MediaControls({ devices, screenShare, shortcutsOn, onShare }: ControlsProps) {
  const keyed = (key: Shortcut) => (shortcutsOn ? key : undefined);
  const sharing = screenShare.stream.value !== null;
  return (
    <>
      <MicrophoneButton device={devices.microphone} shortcut={keyed("m")} />
      <CameraButton device={devices.camera} shortcut={keyed("v")} />
      {screenShare.available && (
        <ControlButton
          name={sharing ? "Stop sharing" : "Share screen"}
          icon={sharing ? <ScreenOffIcon /> : <ScreenIcon />}
          tone={sharing ? "active" : "plain"}
          shortcut={keyed("s")}
          onClick={onShare}
        />
      )}
    </>
  );
}

/** Who waits at the door wants attention; how many are here doesn't. */
function membersBadge({ memberCount, waitingCount }: ControlsProps): Badge {
  return waitingCount > 0
    ? { text: String(waitingCount), meaning: `${waitingCount} waiting to be let in` }
    : { text: String(memberCount), meaning: `${memberCount} here`, quiet: true };
}
