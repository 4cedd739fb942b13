/** The streams a member gives, with their labels, as its peer connection reports them. */

import type { RemoteStream } from "./api.js";
import { STREAMS_MAX } from "./peer-messages.js";

export function createRemoteStreams(
  added: (track: MediaStreamTrack, stream: MediaStream, label: string) => void,
  removed: (stream: MediaStream, label: string) => void,
) {
  const byId = new Map<string, RemoteStream>();

  function remove({ stream, label }: RemoteStream): void {
    if (byId.get(stream.id)?.stream !== stream) return;
    byId.delete(stream.id);
    removed(stream, label);
  }

  return {
    byId,

    /** Takes a track. Streams beyond 16 a member are left out. */
    add(track: MediaStreamTrack, stream: MediaStream, label: string): void {
      const known = byId.get(stream.id);
      if (!known && byId.size >= STREAMS_MAX) return;
      if (known?.stream !== stream) {
        const remote = { stream, label };
        byId.set(stream.id, remote);
        stream.addEventListener("removetrack", () => stream.getTracks().length || remove(remote));
      }
      added(track, stream, label);
    },

    /** The peer connection is gone, and its streams with it. */
    clear(): void {
      [...byId.values()].forEach(remove);
    },
  };
}
