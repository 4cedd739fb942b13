/** Before the call: see and hear yourself, choose devices, say your name, join. */

import { useSignal } from "@preact/signals";
import type { Devices } from "../media/devices.js";
import type { LevelMeters } from "../media/level-meters.js";
import type { Preferences } from "../preferences.js";
import { cleanToken } from "../token.js";
import { Brand } from "../ui/brand.js";
import { PageHeading } from "../ui/page-heading.js";
import { TroubleBox } from "../ui/trouble-box.js";
import { cleanName, NAME_CHARS_MAX } from "./attributes.js";
import { DeviceSelect } from "./device-select.js";
import { LobbyPreview } from "./lobby-preview.js";
import { TokenField, TokenHint } from "./token-field.js";

export interface LobbyProps {
  roomName: string;
  devices: Devices;
  meters: LevelMeters;
  preferences: Preferences;
  joining: boolean;
  /** `token` is null where none was given. */
  onJoin: (name: string, token: string | null) => void;
  onHome: () => void;
}

export function Lobby({ roomName, devices, meters, preferences, joining, onJoin, onHome }: LobbyProps) {
  const name = useSignal(preferences.values.peek().name);
  const token = useSignal("");
  const join = (event: SubmitEvent) => {
    event.preventDefault();
    if (joining) return; // Enter in the token's field asks for no button.
    const clean = cleanName(name.value);
    preferences.remember({ name: clean });
    onJoin(clean, cleanToken(token.value) || null);
  };
  return (
    <div class="lobby">
      <Brand onHome={onHome} />
      <main class="lobby-main">
        <LobbyPreview devices={devices} meters={meters} name={name} />
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
          <details class="lobby-token">
            <summary>I have a token</summary>
            <TokenField typed={token} />
            <TokenHint />
          </details>
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
