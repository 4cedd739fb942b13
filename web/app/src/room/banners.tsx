/** What the whole room must know: the server is away, or the browser doesn't play sound yet. */

import type { ComponentChildren } from "preact";
import { SoundIcon } from "../icons.js";
import type { Playback } from "../media/playback.js";
import type { Call } from "./call.js";

export interface BannersProps {
  call: Call;
  playback: Playback;
  children: ComponentChildren;
}

export function Banners({ call, playback, children }: BannersProps) {
  return (
    <div class="banners">
      <div role="status">
        {call.reconnecting.value && (
          <p class="banner">
            <span class="spinner" aria-hidden="true" />
            {call.waitingAgain.value
              ? "Back in the lobby: somebody has to let you in again"
              : "Reconnecting… the call goes on"}
            <a href="/doctor" target="_blank" rel="noopener">
              Check
              <span class="visually-hidden"> your connection, in a new tab</span>
            </a>
          </p>
        )}
      </div>
      {children}
      {playback.blocked.value.size > 0 && (
        <button type="button" class="button primary" onClick={() => void playback.playAll()}>
          <SoundIcon />
          Click to hear the others
        </button>
      )}
    </div>
  );
}
