/** Chooses one of the microphones or cameras that the browser lists. */

import type { Devices } from "../media/devices.js";
import type { LocalDevice } from "../media/local-device.js";

export interface DeviceSelectProps {
  label: string;
  device: LocalDevice;
  devices: Devices;
}

export function DeviceSelect({ label, device, devices }: DeviceSelectProps) {
  const choices = devices.choices(device.kind);
  const current = device.track.value?.getSettings().deviceId ?? device.chosenId.value;
  const known = choices.some(({ id }) => id === current);
  return (
    <label class="field">
      <span class="field-label">{label}</span>
      <select
        value={known ? current : ""}
        disabled={choices.length === 0}
        onChange={(event) => void device.choose(event.currentTarget.value)}
      >
        {!known && <option value="">{choices.length === 0 ? "None yet" : "Default"}</option>}
        {choices.map(({ id, label: choice }) => (
          <option key={id} value={id}>
            {choice}
          </option>
        ))}
      </select>
    </label>
  );
}
