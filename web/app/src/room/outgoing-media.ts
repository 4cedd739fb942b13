/**
 * Keeps what the room gets in step with what this person's devices give: one stream of camera and microphone, and
 * one of the shared screen while there is one.
 *
 * A camera that is switched off leaves its ended track in the stream. Switching it on again replaces that track, which
 * needs no new negotiation with anybody.
 */

import { effect } from "@preact/signals";
import type { Publication, Room } from "sheetbend";
import type { Devices } from "../media/devices.js";
import type { ScreenShare } from "../media/screen-share.js";
import { SCREEN_LABEL } from "./person.js";

export class OutgoingMedia {
  readonly #room: Room;
  readonly #stops: (() => void)[];
  readonly #sent = new Map<"audio" | "video", MediaStreamTrack>();
  #camera: Publication | null = null;
  #screen: Publication | null = null;
  /** One change after the other: each waits for the one before. */
  #queue: Promise<void> = Promise.resolve();

  constructor(room: Room, devices: Devices, screenShare: ScreenShare, onError: (error: unknown) => void) {
    this.#room = room;
    const enqueue = (change: () => Promise<void>) => {
      this.#queue = this.#queue.then(change).catch(onError);
    };
    this.#stops = [devices.microphone, devices.camera].map(({ track }) =>
      effect(() => {
        const current = track.value;
        if (current !== null) enqueue(() => this.#give(current));
      }),
    );
    this.#stops.push(
      effect(() => {
        const stream = screenShare.stream.value;
        enqueue(() => this.#show(stream));
      }),
    );
  }

  dispose(): void {
    for (const stop of this.#stops) stop();
  }

  async #give(track: MediaStreamTrack): Promise<void> {
    const kind = track.kind === "audio" ? "audio" : "video";
    const before = this.#sent.get(kind);
    this.#sent.set(kind, track);
    if (this.#camera === null) this.#camera = await this.#room.publish(new MediaStream([track]));
    else if (before === undefined) this.#camera.addTrack(track);
    else await this.#camera.replaceTrack(before, track);
  }

  async #show(stream: MediaStream | null): Promise<void> {
    this.#screen?.unpublish();
    this.#screen = stream && (await this.#room.publish(stream, { label: SCREEN_LABEL }));
  }
}
