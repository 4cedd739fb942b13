/** This person's own picture and loudness, for components. */

import { type ReadonlySignal, useComputed, useSignal, useSignalEffect } from "@preact/signals";
import type { LevelMeter, LevelMeters } from "../media/level-meters.js";
import type { LocalDevice } from "../media/local-device.js";

export function useOwnStream(camera: LocalDevice): ReadonlySignal<MediaStream | null> {
  return useComputed(() => {
    const track = camera.track.value;
    return track && new MediaStream([track]);
  });
}

/** Null while there is no microphone. */
export function useOwnMeter(microphone: LocalDevice, meters: LevelMeters): ReadonlySignal<LevelMeter | null> {
  const meter = useSignal<LevelMeter | null>(null);
  useSignalEffect(() => {
    const track = microphone.track.value;
    if (track === null) return;
    const watched = meters.watch(new MediaStream([track]));
    meter.value = watched;
    return () => {
      watched.stop();
      meter.value = null;
    };
  });
  return meter;
}
