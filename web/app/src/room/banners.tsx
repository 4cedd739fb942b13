/** What the whole room must know: the server is away, or the browser doesn't play sound yet. */

import { SoundIcon } from "../icons.js";
import type { Playback } from "../media/playback.js";
import type { Call } from "./call.js";

export function Banners({ call, playback }: { call: Call; playback: Playback }) {
  return (
    <div class="banners">
      <div role="status">
        {call.reconnecting.value && (
          <p class="banner">
            <span class="spinner" aria-hidden="true" />
            Reconnecting… the call goes on
          </p>
        )}
      </div>
      {playback.blocked.value.size > 0 && (
        <button type="button" class="button primary" onClick={() => void playback.playAll()}>
          <SoundIcon />
          Click to hear the others
        </button>
      )}
    </div>
  );
}
