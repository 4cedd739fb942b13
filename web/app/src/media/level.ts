/** The arithmetic of loudness: from samples to a level between 0 and 1, and from levels to "is speaking". */

/** Below is silence, above is as loud as a meter shows; in decibels relative to full scale. */
export const LEVEL_FLOOR_DB = -60;
export const LEVEL_CEILING_DB = -12;
/** About -43 dB: above a quiet room with noise suppression, below a soft voice. */
export const SPEAKING_LEVEL = 0.35;
/** Speech has pauses: the ring stays this long after the last loud sample. */
export const SPEAKING_HOLD_MS = 600;

/** Root mean square of samples in -1 … 1. */
export function rootMeanSquare(samples: Float32Array): number {
  if (samples.length === 0) return 0;
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  return Math.sqrt(sum / samples.length);
}

/** 0 at the floor and 1 at the ceiling, linear in decibels between them, as ears hear. */
export function levelFrom(amplitude: number): number {
  if (!(amplitude > 0)) return 0;
  const decibels = 20 * Math.log10(amplitude);
  return Math.min(1, Math.max(0, (decibels - LEVEL_FLOOR_DB) / (LEVEL_CEILING_DB - LEVEL_FLOOR_DB)));
}

export interface Speaking {
  speaking: boolean;
  /** When the level was last over SPEAKING_LEVEL. */
  loudAtMs: number;
}

export const SILENT: Speaking = { speaking: false, loudAtMs: Number.NEGATIVE_INFINITY };

export function nextSpeaking(before: Speaking, level: number, nowMs: number): Speaking {
  const loudAtMs = level >= SPEAKING_LEVEL ? nowMs : before.loudAtMs;
  return { speaking: nowMs - loudAtMs < SPEAKING_HOLD_MS, loudAtMs };
}
