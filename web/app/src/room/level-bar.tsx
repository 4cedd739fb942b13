/** How loud the own microphone is, before anybody else hears it. */

import type { LevelMeters } from "../media/level-meters.js";
import type { LocalDevice } from "../media/local-device.js";
import { useOwnMeter } from "./own-media.js";

const SEGMENTS = 14;

export function LevelBar({ device, meters }: { device: LocalDevice; meters: LevelMeters }) {
  const meter = useOwnMeter(device, meters);
  const level = device.live.value ? (meter.value?.level.value ?? 0) : 0;
  const lit = Math.round(level * SEGMENTS);
  return (
    <div class="level-bar" role="img" aria-label={device.live.value ? "Microphone level" : "Microphone off"}>
      {Array.from({ length: SEGMENTS }, (_, index) => (
        <span key={index} class={index < lit ? "lit" : ""} />
      ))}
    </div>
  );
}
