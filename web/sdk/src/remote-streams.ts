/** The streams a member gives, with their labels, as its peer connection reports them. */

import type { RemoteStream } from "./api.js";
import { STREAMS_MAX } from "./peer-messages.js";

/** What changed. */
export interface RemoteStreamsPort {
  added(track: MediaStreamTrack, stream: MediaStream, label: string): void;
  removed(stream: MediaStream, label: string): void;
}

export class RemoteStreams {
  readonly byId = new Map<string, RemoteStream>();
  readonly #port: RemoteStreamsPort;

  constructor(port: RemoteStreamsPort) {
    this.#port = port;
  }

  /** Takes a track. Streams beyond 16 a member are left out. */
  add(track: MediaStreamTrack, stream: MediaStream, label: string): void {
    const known = this.byId.get(stream.id);
    if (!known && this.byId.size >= STREAMS_MAX) return;
    if (known?.stream !== stream) this.#watch(stream, label);
    this.#port.added(track, stream, label);
  }

  /** The peer connection is gone, and its streams with it. */
  clear(): void {
    for (const { stream } of [...this.byId.values()]) this.#remove(stream);
  }

  #watch(stream: MediaStream, label: string): void {
    this.byId.set(stream.id, { stream, label });
    stream.addEventListener("removetrack", () => {
      if (stream.getTracks().length === 0) this.#remove(stream);
    });
  }

  #remove(stream: MediaStream): void {
    const known = this.byId.get(stream.id);
    if (known?.stream !== stream) return;
    this.byId.delete(stream.id);
    this.#port.removed(stream, known.label);
  }
}
