/** In the call: other devices, another name, keys on or off. */

import { useSignal } from "@preact/signals";
import type { Devices } from "../media/devices.js";
import type { Preferences } from "../preferences.js";
import { Dialog } from "../ui/dialog.js";
import { TroubleBox } from "../ui/trouble-box.js";
import { cleanName, NAME_CHARS_MAX } from "./attributes.js";
import type { Call } from "./call.js";
import { DeviceSelect } from "./device-select.js";

export interface SettingsDialogProps {
  call: Call;
  devices: Devices;
  mayPublish: boolean;
  preferences: Preferences;
  onClose: () => void;
}

export function SettingsDialog({ call, devices, mayPublish, preferences, onClose }: SettingsDialogProps) {
  return (
    <Dialog title="Settings" onClose={onClose}>
      {mayPublish && <DeviceSettings devices={devices} />}
      <NameField call={call} preferences={preferences} />
      <label class="check">
        <input
          type="checkbox"
          checked={preferences.values.value.shortcutsOn}
          onChange={(event) => preferences.remember({ shortcutsOn: event.currentTarget.checked })}
        />
        <span>
          Keys: <kbd>M</kbd> microphone, <kbd>V</kbd> camera, <kbd>S</kbd> screen, <kbd>C</kbd> chat,{" "}
          <kbd>P</kbd> members
        </span>
      </label>
    </Dialog>
  );
}

function DeviceSettings({ devices }: { devices: Devices }) {
  return (
    <>
      <DeviceSelect label="Microphone" device={devices.microphone} devices={devices} />
      <DeviceSelect label="Camera" device={devices.camera} devices={devices} />
      {devices.troubles.value.map(({ kinds, title, remedy }) => (
        <TroubleBox key={kinds.join()} title={title} onRetry={() => void devices.retry(kinds)}>
          {remedy}
        </TroubleBox>
      ))}
    </>
  );
}

function NameField({ call, preferences }: { call: Call; preferences: Preferences }) {
  const typed = useSignal(call.name.peek());
  const rename = () => {
    const name = cleanName(typed.value);
    preferences.remember({ name });
    if (name !== call.name.peek()) void call.rename(name);
  };
  return (
    <label class="field">
      <span class="field-label">Your name</span>
      <input
        type="text"
        value={typed.value}
        maxLength={NAME_CHARS_MAX}
        autocomplete="name"
        onInput={(event) => {
          typed.value = event.currentTarget.value;
        }}
        onChange={rename}
      />
    </label>
  );
}
