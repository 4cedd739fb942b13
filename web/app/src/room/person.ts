/** Another member as the room shows them: checked name and state, and what their streams carry right now. */

import { batch, computed, type ReadonlySignal, signal } from "@preact/signals";
import type { Member, MemberConnection, Permission } from "sheetbend";
import type { LevelMeter, LevelMeters } from "../media/level-meters.js";
import { type MediaState, mediaStateFrom, shownName } from "./attributes.js";
import {
  type Grading,
  gradeOf,
  type MediaFigures,
  mediaBetween,
  NO_MEDIA,
  type Quality,
  type Received,
  receivedIn,
  settled,
  UNGRADED,
  type Way,
  wayIn,
} from "./quality.js";

export const SCREEN_LABEL = "screen";
/** A direct connection is there within seconds; a member whose program never answers would be `connecting` for ever. */
export const CONNECTING_MAX_MS = 15_000;

/** How often the figures of a connection are read. */
const QUALITY_MS = 2000;

/** `silent`: connecting for so long that nothing may ever come of it. `unverified`: they came with another link. */
export type PersonConnection = MemberConnection | "silent" | "unverified";

/** A remote stream and whether pictures and sound arrive in it. */
export interface Incoming {
  stream: MediaStream;
  picture: boolean;
  sound: boolean;
}

export class Person {
  readonly key: string;
  readonly member: Member;
  readonly name: ReadonlySignal<string>;
  readonly can: ReadonlySignal<ReadonlySet<Permission>>;
  /** Whether a moderator has muted their chat. */
  readonly chatMuted: ReadonlySignal<boolean>;
  readonly connection: ReadonlySignal<PersonConnection>;
  readonly camera: ReadonlySignal<Incoming | null>;
  readonly screen: ReadonlySignal<Incoming | null>;
  readonly microphoneOn: ReadonlySignal<boolean>;
  readonly cameraOn: ReadonlySignal<boolean>;
  readonly speaking: ReadonlySignal<boolean>;
  /** Null while they can't be reached at all. */
  readonly quality: ReadonlySignal<Quality | null>;
  readonly safetyWords: ReadonlySignal<readonly number[] | null>;
  /** Whether the words were compared, as whoever sits here says. Other words are to be compared anew. */
  readonly verified: ReadonlySignal<boolean>;

  readonly #meters: LevelMeters;
  readonly #name = signal("");
  readonly #state = signal<MediaState>({ microphone: null, camera: null, screen: null });
  readonly #can;
  readonly #chatMuted = signal(false);
  readonly #connection = signal<PersonConnection>("connecting");
  readonly #camera = signal<Incoming | null>(null);
  readonly #screen = signal<Incoming | null>(null);
  readonly #meter = signal<{ stream: MediaStream; meter: LevelMeter } | null>(null);
  readonly #offs: (() => void)[];
  readonly #watchedTracks = new WeakSet<MediaStreamTrack>();
  readonly #quality = signal<Quality | null>(null);
  readonly #safetyWords = signal<readonly number[] | null>(null);
  readonly #verified = signal(false);
  readonly #qualityTimer: ReturnType<typeof setInterval>;
  #received: Received | null = null;
  #media: MediaFigures = NO_MEDIA;
  #mediaWay: Way | null = null;
  #grading: Grading = UNGRADED;
  #patience: ReturnType<typeof setTimeout> | undefined;

  constructor(member: Member, meters: LevelMeters) {
    this.key = member.key;
    this.member = member;
    this.#meters = meters;
    this.#can = signal(member.can);
    this.name = this.#name;
    this.can = this.#can;
    this.chatMuted = this.#chatMuted;
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
    this.quality = this.#quality;
    this.safetyWords = this.#safetyWords;
    this.verified = this.#verified;
    this.#offs = [
      member.on("update", () => this.#readDetails()),
      member.on("connection", () => this.#readConnection()),
      member.on("track", () => this.#readStreams()),
      member.on("streamremoved", () => this.#readStreams()),
      member.on("path", () => this.#moved()),
      member.on("safetywords", () => this.#readWords()),
    ];
    this.#qualityTimer = setInterval(() => void this.#measure(), QUALITY_MS);
    this.#readWords();
    this.#moved();
    this.#readDetails();
    this.#readConnection();
    this.#readStreams();
  }

  dispose(): void {
    clearTimeout(this.#patience);
    clearInterval(this.#qualityTimer);
    for (const off of this.#offs) off();
    this.#meter.peek()?.meter.stop();
  }

  /** What came from them isn't sealed as the room's link says. */
  refuse(): void {
    clearTimeout(this.#patience);
    this.#connection.value = "unverified";
  }

  setVerified(verified: boolean): void {
    this.#verified.value = verified;
  }

  #readWords(): void {
    this.#safetyWords.value = this.member.safetyWords;
    this.#verified.value = false;
  }

  async #measure(): Promise<void> {
    try {
      const report = await this.member.getStats();
      const received = receivedIn(report);
      this.#mediaWay = this.member.connection === "connected" ? wayIn(report) : null;
      this.#media = mediaBetween(this.#received, received);
      this.#received = received;
    } catch {
      this.#mediaWay = null;
      this.#media = NO_MEDIA; // InvalidStateError: the peer connection is being replaced.
    }
    this.#grading = settled(this.#grading, gradeOf(this.#way?.rttMs ?? null, this.#media));
    this.#readQuality();
  }

  get #way(): Way | null {
    const { sealing, path, rttMs } = this.member;
    if (sealing === null) return this.#mediaWay;
    return path && { path, rttMs };
  }

  /** Another path is another connection: what was said of the one before doesn't hold. */
  #moved(): void {
    this.#grading = settled(UNGRADED, gradeOf(this.member.rttMs, NO_MEDIA));
    this.#readQuality();
  }

  #readQuality(): void {
    const way = this.#way;
    this.#quality.value = way && { ...way, ...this.#media, grade: this.#grading.shown };
  }

  #readDetails(): void {
    batch(() => {
      this.#name.value = shownName(this.member.name);
      this.#state.value = mediaStateFrom(this.member.attributes);
      this.#can.value = this.member.can;
      this.#chatMuted.value = this.member.muted;
    });
  }

  #readConnection(): void {
    clearTimeout(this.#patience);
    this.#connection.value = this.member.connection;
    if (this.member.connection !== "connecting") return;
    this.#patience = setTimeout(() => {
      this.#connection.value = "silent";
    }, CONNECTING_MAX_MS);
  }

  /** The latest stream of each label counts: nobody gets two large places. */
  readonly #readStreams = (): void => {
    let camera: Incoming | null = null;
    let screen: Incoming | null = null;
    for (const { stream, label } of this.member.streams.values()) {
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
