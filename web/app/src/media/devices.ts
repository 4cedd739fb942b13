/** This person's microphone and camera together: the first request for both, and the lists to choose from. */

import { computed, effect, type ReadonlySignal, signal } from "@preact/signals";
import type { Preferences } from "../preferences.js";
import {
  type DeviceKind,
  type DeviceTrouble,
  describeTrouble,
  type TroubleCause,
  troubleCause,
} from "./device-trouble.js";
import { type GetUserMedia, LocalDevice } from "./local-device.js";

export interface DeviceChoice {
  id: string;
  label: string;
}

export interface TroubleNotice extends DeviceTrouble {
  kinds: readonly DeviceKind[];
}

export class Devices {
  readonly microphone: LocalDevice;
  readonly camera: LocalDevice;
  readonly troubles: ReadonlySignal<readonly TroubleNotice[]>;
  readonly #mediaDevices: MediaDevices | null;
  readonly #permissions: Permissions | null;
  readonly #listed = signal<readonly MediaDeviceInfo[]>([]);
  readonly #stops: (() => void)[] = [];

  /** `mediaDevices` is null where the browser has none (a page that isn't secure). */
  constructor(options: {
    mediaDevices: MediaDevices | null;
    permissions: Permissions | null;
    preferences: Preferences;
  }) {
    const { mediaDevices, preferences } = options;
    this.#mediaDevices = mediaDevices;
    this.#permissions = options.permissions;
    const getUserMedia: GetUserMedia | null =
      mediaDevices && ((constraints) => mediaDevices.getUserMedia(constraints));
    this.microphone = makeDevice("microphone", getUserMedia, preferences);
    this.camera = makeDevice("camera", getUserMedia, preferences);
    this.troubles = computed(() => summariseTroubles([this.camera, this.microphone]));
    this.#watchList();
    this.#rememberChoices(preferences);
  }

  choices(kind: DeviceKind): readonly DeviceChoice[] {
    const wanted = kind === "microphone" ? "audioinput" : "videoinput";
    const found = this.#listed.value.filter((info) => info.kind === wanted && info.deviceId !== "");
    return found.map((info, index) => ({
      id: info.deviceId,
      label: info.label || `${kind === "microphone" ? "Microphone" : "Camera"} ${index + 1}`,
    }));
  }

  /** Asks for everything that is switched on, in one question to the person. Never throws: see `troubles`. */
  async acquire(): Promise<void> {
    const wanted = [this.microphone, this.camera].filter(
      (device) => device.on.peek() && !device.track.peek(),
    );
    if (wanted.length === 2 && this.#mediaDevices !== null) await this.#acquireBoth(this.#mediaDevices);
    else for (const device of wanted) await device.acquire();
    await this.#list();
  }

  /** Tries again what went wrong. */
  async retry(kinds: readonly DeviceKind[]): Promise<void> {
    for (const device of [this.microphone, this.camera]) {
      if (kinds.includes(device.kind)) await device.turn(true);
    }
    await this.#list();
  }

  release(): void {
    this.microphone.release();
    this.camera.release();
  }

  dispose(): void {
    this.release();
    for (const stop of this.#stops) stop();
  }

  async #acquireBoth(mediaDevices: MediaDevices): Promise<void> {
    const { microphone, camera } = this;
    const requests = new Map([microphone, camera].map((device) => [device, device.expectAnswer()]));
    try {
      const stream = await mediaDevices.getUserMedia({ ...microphone.constraints, ...camera.constraints });
      for (const [device, request] of requests) device.adopt(stream, request);
    } catch (error) {
      await this.#acquireEach(error, requests);
    }
  }

  /** One of the two stopped both. After a "no" only what is allowed already is asked for: a no isn't asked again. */
  async #acquireEach(error: unknown, requests: ReadonlyMap<LocalDevice, number>): Promise<void> {
    const cause = troubleCause(error);
    for (const [device, request] of requests) {
      if (cause === "denied" && !(await this.#isGranted(device.kind))) device.fail(cause, request);
      else if (device.awaits(request)) await device.acquire();
    }
  }

  async #isGranted(kind: DeviceKind): Promise<boolean> {
    try {
      return (await this.#permissions?.query({ name: kind }))?.state === "granted";
    } catch {
      return false; // TypeError: a browser that doesn't know this permission's name
    }
  }

  async #list(): Promise<void> {
    try {
      this.#listed.value = (await this.#mediaDevices?.enumerateDevices()) ?? [];
    } catch {
      this.#listed.value = [];
    }
  }

  #watchList(): void {
    const list = () => void this.#list();
    this.#mediaDevices?.addEventListener("devicechange", list);
    this.#stops.push(() => this.#mediaDevices?.removeEventListener("devicechange", list));
  }

  #rememberChoices(preferences: Preferences): void {
    const { microphone, camera } = this;
    this.#stops.push(
      effect(() =>
        preferences.remember({
          microphoneOn: microphone.on.value,
          cameraOn: camera.on.value,
          microphoneId: microphone.chosenId.value,
          cameraId: camera.chosenId.value,
        }),
      ),
    );
  }
}

function makeDevice(
  kind: DeviceKind,
  getUserMedia: GetUserMedia | null,
  preferences: Preferences,
): LocalDevice {
  const { microphoneOn, cameraOn, microphoneId, cameraId } = preferences.values.peek();
  return kind === "microphone"
    ? new LocalDevice(kind, { getUserMedia, on: microphoneOn, chosenId: microphoneId })
    : new LocalDevice(kind, { getUserMedia, on: cameraOn, chosenId: cameraId });
}

/** What has one cause is said once. */
function summariseTroubles(devices: readonly LocalDevice[]): readonly TroubleNotice[] {
  const kindsByCause = new Map<TroubleCause, DeviceKind[]>();
  for (const { kind, cause } of devices) {
    if (cause.value !== null) kindsByCause.set(cause.value, [...(kindsByCause.get(cause.value) ?? []), kind]);
  }
  return [...kindsByCause].map(([cause, kinds]) => ({ ...describeTrouble(cause, kinds), kinds }));
}
