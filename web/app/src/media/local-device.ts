/**
 * One microphone or one camera of this person: its track, whether it is switched on, and what went wrong.
 *
 * A microphone that is switched off keeps its track, disabled, so that it is back within a syllable. A camera that is
 * switched off gives its track up, so that its light goes out.
 */

import { batch, computed, type ReadonlySignal, signal } from "@preact/signals";
import { type DeviceKind, type TroubleCause, troubleCause } from "./device-trouble.js";

export type GetUserMedia = (constraints: MediaStreamConstraints) => Promise<MediaStream>;

export class LocalDevice {
  readonly kind: DeviceKind;
  readonly #getUserMedia: GetUserMedia | null;
  readonly #track = signal<MediaStreamTrack | null>(null);
  readonly #on;
  readonly #asking = signal(false);
  readonly #cause = signal<TroubleCause | null>(null);
  readonly #chosenId;
  /** Switched on, and there is a track: the others can hear or see it. */
  readonly live: ReadonlySignal<boolean>;
  /** Counts requests, so that the answer to an outdated one is let go. */
  #request = 0;

  /** `getUserMedia` is null where the browser has none (a page that isn't secure). */
  constructor(
    kind: DeviceKind,
    options: { getUserMedia: GetUserMedia | null; on: boolean; chosenId: string },
  ) {
    this.kind = kind;
    this.#getUserMedia = options.getUserMedia;
    this.#on = signal(options.on);
    this.#chosenId = signal(options.chosenId);
    this.live = computed(() => this.#on.value && this.#track.value !== null);
  }

  get track(): ReadonlySignal<MediaStreamTrack | null> {
    return this.#track;
  }

  get on(): ReadonlySignal<boolean> {
    return this.#on;
  }

  get asking(): ReadonlySignal<boolean> {
    return this.#asking;
  }

  get cause(): ReadonlySignal<TroubleCause | null> {
    return this.#cause;
  }

  get chosenId(): ReadonlySignal<string> {
    return this.#chosenId;
  }

  /** Switches it on or off; asks the browser for it where needed. */
  async turn(on: boolean): Promise<void> {
    this.#on.value = on;
    const track = this.#track.peek();
    if (this.kind === "microphone" && track !== null) track.enabled = on;
    else if (on && track === null) await this.acquire();
    else if (!on) this.release();
  }

  async choose(deviceId: string): Promise<void> {
    this.#chosenId.value = deviceId;
    if (this.#track.peek() === null && !this.#on.peek()) return;
    await this.acquire();
  }

  /** Asks the browser for the chosen device, or for any where that one is gone. Never throws: see `cause`. */
  async acquire(): Promise<void> {
    if (this.#getUserMedia === null) {
      this.fail("insecure", this.expectAnswer());
      return;
    }
    const request = this.expectAnswer();
    // Phones open one camera at a time, so the old one goes first.
    if (this.kind === "camera") this.#drop();
    try {
      this.adopt(await this.#ask(this.#getUserMedia), request);
    } catch (error) {
      this.fail(troubleCause(error), request);
    }
  }

  /** The browser is asking the person; `adopt` or `fail` follows, with the number that this returns. */
  expectAnswer(): number {
    this.#asking.value = true;
    return ++this.#request;
  }

  /** Whether nothing else was asked of this device since, nor was it released. */
  awaits(request: number): boolean {
    return request === this.#request;
  }

  /** Takes the track of this kind from a stream that the browser gave; stops it if nobody waits for it any more. */
  adopt(stream: MediaStream, request: number): void {
    const [track] = this.kind === "microphone" ? stream.getAudioTracks() : stream.getVideoTracks();
    if (track === undefined) return;
    if (!this.awaits(request)) {
      track.stop();
      return;
    }
    this.#drop();
    track.enabled = this.kind === "camera" || this.#on.peek();
    track.addEventListener("ended", () => void this.#onEnded(track));
    batch(() => {
      this.#track.value = track;
      this.#asking.value = false;
      this.#cause.value = null;
    });
  }

  fail(cause: TroubleCause, request: number): void {
    if (!this.awaits(request)) return;
    batch(() => {
      this.#drop();
      this.#asking.value = false;
      this.#cause.value = cause;
    });
  }

  release(): void {
    this.#request++;
    this.#asking.value = false;
    this.#drop();
  }

  get constraints(): MediaStreamConstraints {
    return constraintsFor(this.kind, this.#chosenId.peek());
  }

  /** Where the chosen device is gone, any other will do. */
  async #ask(getUserMedia: GetUserMedia): Promise<MediaStream> {
    try {
      return await getUserMedia(this.constraints);
    } catch (error) {
      if (this.#chosenId.peek() === "" || troubleCause(error) !== "missing") throw error;
      return await getUserMedia(constraintsFor(this.kind, ""));
    }
  }

  /** The browser ends a track when its device is unplugged or its permission withdrawn; stop() doesn't fire this. */
  async #onEnded(track: MediaStreamTrack): Promise<void> {
    if (this.#track.peek() !== track) return;
    this.#track.value = null;
    if (this.#on.peek()) await this.acquire();
    if (this.#cause.peek() === "missing") this.#cause.value = "unplugged";
  }

  #drop(): void {
    this.#track.peek()?.stop();
    this.#track.value = null;
  }
}

/** "exact", because browsers may take a wish for one device as a wish for any. */
function constraintsFor(kind: DeviceKind, deviceId: string): MediaStreamConstraints {
  const chosen = deviceId === "" ? {} : { deviceId: { exact: deviceId } };
  if (kind === "microphone") {
    return { audio: { ...chosen, echoCancellation: true, noiseSuppression: true, autoGainControl: true } };
  }
  return { video: { ...chosen, width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } } };
}

export function stopTracks(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}
