/** This person before the call: the own picture, its switches, and how loud the microphone is. */

import type { ReadonlySignal } from "@preact/signals";
import type { Devices } from "../media/devices.js";
import type { LevelMeters } from "../media/level-meters.js";
import type { LocalDevice } from "../media/local-device.js";
import { cleanName } from "./attributes.js";
import { Avatar } from "./avatar-view.js";
import { CameraButton, MicrophoneButton } from "./device-buttons.js";
import { LevelBar } from "./level-bar.js";
import { useOwnStream } from "./own-media.js";
import { Video } from "./video.js";

export interface LobbyPreviewProps {
  devices: Devices;
  meters: LevelMeters;
  name: ReadonlySignal<string>;
}

export function LobbyPreview({ devices, meters, name }: LobbyPreviewProps) {
  return (
    <section class="lobby-preview" aria-label="Preview">
      <Preview devices={devices} name={name} />
      <div class="lobby-toggles">
        <MicrophoneButton device={devices.microphone} />
        <CameraButton device={devices.camera} />
        <LevelBar device={devices.microphone} meters={meters} />
      </div>
    </section>
  );
}

function Preview({ devices, name }: { devices: Devices; name: ReadonlySignal<string> }) {
  const { camera, microphone } = devices;
  const stream = useOwnStream(camera);
  return (
    <div class="preview">
      {stream.value !== null ? (
        <Video stream={stream.value} mirrored />
      ) : (
        <div class="preview-empty">
          <Avatar name={cleanName(name.value) || "You"} />
          <p>{previewText(camera, microphone)}</p>
        </div>
      )}
    </div>
  );
}

function previewText(camera: LocalDevice, microphone: LocalDevice): string {
  if (camera.asking.value || microphone.asking.value) {
    return "Your browser may be asking to use your camera and microphone: choose “Allow”.";
  }
  if (camera.on.value && camera.cause.value !== null) return "No camera: you can join anyway.";
  return "Your camera is off";
}
