/** This person's shared screen: asked for, shown to the room, and stopped from here or from the browser's own bar. */

import { type ReadonlySignal, signal } from "@preact/signals";
import { stopTracks } from "./local-device.js";

export type GetDisplayMedia = (options: DisplayMediaStreamOptions) => Promise<MediaStream>;

export class ScreenShare {
  readonly #getDisplayMedia: GetDisplayMedia | null;
  readonly #stream = signal<MediaStream | null>(null);
  /** Counts requests, so that what the person picks after `stop` or another `start` is let go. */
  #request = 0;

  /** `getDisplayMedia` is null where the browser has none (phones). */
  constructor(getDisplayMedia: GetDisplayMedia | null) {
    this.#getDisplayMedia = getDisplayMedia;
  }

  get available(): boolean {
    return this.#getDisplayMedia !== null;
  }

  get stream(): ReadonlySignal<MediaStream | null> {
    return this.#stream;
  }

  /** False where the person, the browser or the system said no. */
  async start(): Promise<boolean> {
    if (this.#getDisplayMedia === null) return false;
    this.stop();
    const request = this.#request;
    try {
      const stream = await this.#getDisplayMedia({
        video: { frameRate: { ideal: 15, max: 30 } },
        audio: true,
      });
      if (request === this.#request) this.#adopt(stream);
      else stopTracks(stream);
      return true;
    } catch {
      return false;
    }
  }

  stop(): void {
    this.#request++;
    const stream = this.#stream.peek();
    if (stream !== null) stopTracks(stream);
    this.#stream.value = null;
  }

  #adopt(stream: MediaStream): void {
    const [picture] = stream.getVideoTracks();
    if (picture === undefined) return;
    picture.contentHint = "detail"; // sharp text rather than smooth motion
    picture.addEventListener("ended", () => {
      if (this.#stream.peek() === stream) this.stop();
    });
    this.#stream.value = stream;
  }
}
