/** The switches of microphone and camera, in the lobby and in the room. */

import { CameraIcon, CameraOffIcon, MicrophoneIcon, MicrophoneOffIcon } from "../icons.js";
import type { LocalDevice } from "../media/local-device.js";
import { ControlButton } from "../ui/control-button.js";
import type { Shortcut } from "./shortcuts.js";

export interface DeviceButtonProps {
  device: LocalDevice;
  shortcut?: Shortcut | undefined;
}

export function MicrophoneButton({ device, shortcut }: DeviceButtonProps) {
  const live = device.live.value;
  return (
    <ControlButton
      name={live ? "Mute microphone" : "Unmute microphone"}
      icon={live ? <MicrophoneIcon /> : <MicrophoneOffIcon />}
      tone={live ? "plain" : "off"}
      shortcut={shortcut}
      onClick={() => void toggle(device)}
    />
  );
}

export function CameraButton({ device, shortcut }: DeviceButtonProps) {
  const live = device.live.value;
  return (
    <ControlButton
      name={live ? "Turn camera off" : "Turn camera on"}
      icon={live ? <CameraIcon /> : <CameraOffIcon />}
      tone={live ? "plain" : "off"}
      shortcut={shortcut}
      onClick={() => void toggle(device)}
    />
  );
}

/** What is switched on but has no track (denied, unplugged) is asked for again. */
export function toggle(device: LocalDevice): Promise<void> {
  return device.turn(!device.live.peek());
}
