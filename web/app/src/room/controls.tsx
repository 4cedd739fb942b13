/** The switches of the call. */

import { ChatIcon, LeaveIcon, MembersIcon, ScreenIcon, ScreenOffIcon } from "../icons.js";
import type { Devices } from "../media/devices.js";
import type { ScreenShare } from "../media/screen-share.js";
import { ControlButton } from "../ui/control-button.js";
import { CameraButton, MicrophoneButton } from "./device-buttons.js";
import type { Shortcut } from "./shortcuts.js";

export type PanelName = "chat" | "members";

export interface ControlsProps {
  devices: Devices;
  screenShare: ScreenShare;
  unread: number;
  memberCount: number;
  panel: PanelName | null;
  shortcutsOn: boolean;
  inert: boolean;
  onPanel: (panel: PanelName) => void;
  onShare: () => void;
  onLeave: () => void;
}

export function Controls(props: ControlsProps) {
  const { devices, screenShare, unread, memberCount, panel, onPanel } = props;
  const keyed = (key: Shortcut) => (props.shortcutsOn ? key : undefined);
  const sharing = screenShare.stream.value !== null;
  return (
    <section class="controls" id="controls" aria-label="Call controls" inert={props.inert}>
      <MicrophoneButton device={devices.microphone} shortcut={keyed("m")} />
      <CameraButton device={devices.camera} shortcut={keyed("v")} />
      {screenShare.available && (
        <ControlButton
          name={sharing ? "Stop sharing" : "Share screen"}
          icon={sharing ? <ScreenOffIcon /> : <ScreenIcon />}
          tone={sharing ? "active" : "plain"}
          shortcut={keyed("s")}
          onClick={props.onShare}
        />
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
        badge={{ text: String(memberCount), meaning: `${memberCount} here`, quiet: true }}
        onClick={() => onPanel("members")}
      />
      <ControlButton name="Leave" icon={<LeaveIcon />} tone="danger" onClick={props.onLeave} />
    </section>
  );
}
