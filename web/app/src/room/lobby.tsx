/** Before the call: see and hear yourself, choose devices, say your name, join. */

import { type ReadonlySignal, useSignal } from "@preact/signals";
import type { Devices } from "../media/devices.js";
import type { LevelMeters } from "../media/level-meters.js";
import type { LocalDevice } from "../media/local-device.js";
import type { Preferences } from "../preferences.js";
import { Brand } from "../ui/brand.js";
import { PageHeading } from "../ui/page-heading.js";
import { TroubleBox } from "../ui/trouble-box.js";
import { cleanName, NAME_CHARS_MAX } from "./attributes.js";
import { Avatar } from "./avatar-view.js";
import { CameraButton, MicrophoneButton } from "./device-buttons.js";
import { DeviceSelect } from "./device-select.js";
import { LevelBar } from "./level-bar.js";
import { useOwnStream } from "./own-media.js";
import { Video } from "./video.js";

export interface LobbyProps {
  roomName: string;
  devices: Devices;
  meters: LevelMeters;
  preferences: Preferences;
  joining: boolean;
  onJoin: (name: string) => void;
  onHome: () => void;
}

export function Lobby({ roomName, devices, meters, preferences, joining, onJoin, onHome }: LobbyProps) {
  const name = useSignal(preferences.values.peek().name);
  const join = (event: SubmitEvent) => {
    event.preventDefault();
    const clean = cleanName(name.value);
    preferences.remember({ name: clean });
    onJoin(clean);
  };
  return (
    <div class="lobby">
      <Brand onHome={onHome} />
      <main class="lobby-main">
        <section class="lobby-preview" aria-label="Preview">
          <Preview devices={devices} name={name} />
          <div class="lobby-toggles">
            <MicrophoneButton device={devices.microphone} />
            <CameraButton device={devices.camera} />
            <LevelBar device={devices.microphone} meters={meters} />
          </div>
        </section>
        <form class="lobby-form" onSubmit={join} noValidate>
          <p class="eyebrow">You are about to join</p>
          <PageHeading>
            <bdi>{roomName}</bdi>
          </PageHeading>
          <label class="field">
            <span class="field-label">Your name</span>
            <input
              type="text"
              value={name.value}
              maxLength={NAME_CHARS_MAX}
              autocomplete="name"
              placeholder="So that the others know who you are"
              onInput={(event) => {
                name.value = event.currentTarget.value;
              }}
            />
          </label>
          <button type="submit" class="button primary large" disabled={joining}>
            {joining ? "Joining…" : "Join"}
          </button>
          <Troubles devices={devices} />
          <div class="lobby-devices">
            <DeviceSelect label="Microphone" device={devices.microphone} devices={devices} />
            <DeviceSelect label="Camera" device={devices.camera} devices={devices} />
          </div>
        </form>
      </main>
    </div>
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

function Troubles({ devices }: { devices: Devices }) {
  return (
    <>
      {devices.troubles.value.map(({ kinds, title, remedy, retryable }) => (
        <TroubleBox
          key={kinds.join()}
          title={title}
          onRetry={retryable ? () => void devices.retry(kinds) : null}
        >
          {remedy}
        </TroubleBox>
      ))}
    </>
  );
}
