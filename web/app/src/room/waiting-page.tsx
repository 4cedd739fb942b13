/** In the room's lobby: until a moderator lets this person in, with their preview to look after meanwhile. */

import type { Devices } from "../media/devices.js";
import type { LevelMeters } from "../media/level-meters.js";
import { PageHeading } from "../ui/page-heading.js";
import type { Call } from "./call.js";
import { LobbyPreview } from "./lobby-preview.js";

export interface WaitingPageProps {
  roomName: string;
  call: Call;
  devices: Devices;
  meters: LevelMeters;
  onCancel: () => void;
}

export function WaitingPage({ roomName, call, devices, meters, onCancel }: WaitingPageProps) {
  return (
    <div class="lobby waits">
      <main class="lobby-main">
        <LobbyPreview devices={devices} meters={meters} name={call.name} />
        <section class="lobby-form">
          <p class="eyebrow">
            <bdi>{roomName}</bdi>
          </p>
          <PageHeading>Somebody has to let you in</PageHeading>
          <p class="lobby-wait" role="status">
            <span class="spinner" aria-hidden="true" />
            The moderators know that you are here. Stay on this page: you come in by yourself as soon as one
            of them says yes.
          </p>
          <button type="button" class="button large" onClick={onCancel}>
            Cancel
          </button>
        </section>
      </main>
    </div>
  );
}
