/** Another member as the room shows them: checked name and state, and what their streams carry right now. */

import { batch, computed, type ReadonlySignal, signal } from "@preact/signals";
import type { Member, MemberConnection } from "sheetbend";
import type { LevelMeter, LevelMeters } from "../media/level-meters.js";
import { type MediaState, mediaStateFrom, shownName } from "./attributes.js";

export const SCREEN_LABEL = "screen";

/** A remote stream and whether pictures and sound arrive in it. */
export interface Incoming {
  stream: MediaStream;
  picture: boolean;
  sound: boolean;
}

export class Person {
  readonly key: string;
  readonly name: ReadonlySignal<string>;
  readonly connection: ReadonlySignal<MemberConnection>;
  readonly camera: ReadonlySignal<Incoming | null>;
  readonly screen: ReadonlySignal<Incoming | null>;
  readonly microphoneOn: ReadonlySignal<boolean>;
  readonly cameraOn: ReadonlySignal<boolean>;
  readonly speaking: ReadonlySignal<boolean>;

  readonly #member: Member;
  readonly #meters: LevelMeters;
  readonly #name = signal("");
  readonly #state = signal<MediaState>({ microphone: null, camera: null, screen: null });
  readonly #connection;
  readonly #camera = signal<Incoming | null>(null);
  readonly #screen = signal<Incoming | null>(null);
  readonly #meter = signal<{ stream: MediaStream; meter: LevelMeter } | null>(null);
  readonly #offs: (() => void)[];
  readonly #watchedTracks = new WeakSet<MediaStreamTrack>();

  constructor(member: Member, meters: LevelMeters) {
    this.key = member.key;
    this.#member = member;
    this.#meters = meters;
    this.#connection = signal(member.connection);
    this.name = this.#name;
    this.connection = this.#connection;
    this.camera = this.#camera;
    this.screen = computed(() => (this.#state.value.screen === false ? null : this.#screen.value));
    this.microphoneOn = computed(() => this.#state.value.microphone ?? this.#camera.value?.sound ?? false);
    this.cameraOn = computed(
      () => this.#state.value.camera !== false && (this.#camera.value?.picture ?? false),
    );
    this.speaking = computed(
      () => this.microphoneOn.value && (this.#meter.value?.meter.speaking.value ?? false),
    );
    this.#offs = [
      member.on("update", () => this.#readDetails()),
      member.on("connection", (state) => {
        this.#connection.value = state;
      }),
      member.on("track", () => this.#readStreams()),
      member.on("streamremoved", () => this.#readStreams()),
    ];
    this.#readDetails();
    this.#readStreams();
  }

  dispose(): void {
    for (const off of this.#offs) off();
    this.#meter.peek()?.meter.stop();
  }

  #readDetails(): void {
    batch(() => {
      this.#name.value = shownName(this.#member.name);
      this.#state.value = mediaStateFrom(this.#member.attributes);
    });
  }

  /** The latest stream of each label counts: nobody gets two large places. */
  readonly #readStreams = (): void => {
    let camera: Incoming | null = null;
    let screen: Incoming | null = null;
    for (const { stream, label } of this.#member.streams.values()) {
      this.#watchTracks(stream);
      if (label === SCREEN_LABEL) screen = incoming(stream);
      else camera = incoming(stream);
    }
    batch(() => {
      this.#camera.value = camera;
      this.#screen.value = screen;
      this.#meterSound(camera);
    });
  };

  /** A remote track is muted while no packets arrive: until the first picture, and after the last. */
  #watchTracks(stream: MediaStream): void {
    for (const track of stream.getTracks()) {
      if (this.#watchedTracks.has(track)) continue;
      this.#watchedTracks.add(track);
      for (const type of ["mute", "unmute", "ended"]) track.addEventListener(type, this.#readStreams);
    }
  }

  #meterSound(camera: Incoming | null): void {
    const stream = camera?.sound ? camera.stream : null;
    const metered = this.#meter.peek();
    if (metered?.stream === stream) return;
    metered?.meter.stop();
    this.#meter.value = stream && { stream, meter: this.#meters.watch(stream) };
  }
}

function incoming(stream: MediaStream): Incoming {
  return {
    stream,
    picture: stream.getVideoTracks().some((track) => track.readyState === "live" && !track.muted),
    sound: stream.getAudioTracks().some((track) => track.readyState === "live"),
  };
}
