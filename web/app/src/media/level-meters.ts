/** Measures how loud streams are, all from one AudioContext and one timer. */

import { type ReadonlySignal, type Signal, signal } from "@preact/signals";
import { levelFrom, nextSpeaking, rootMeanSquare, SILENT, type Speaking } from "./level.js";

/** Often enough for a ring to keep up with a voice, seldom enough to cost nothing (12 times a second). */
const SAMPLE_INTERVAL_MS = 80;
const FFT_SIZE = 1024;

export interface LevelMeter {
  readonly level: ReadonlySignal<number>;
  readonly speaking: ReadonlySignal<boolean>;
  stop(): void;
}

interface Watched {
  source: MediaStreamAudioSourceNode;
  analyser: AnalyserNode;
  level: Signal<number>;
  speaking: Signal<boolean>;
  state: Speaking;
}

export class LevelMeters {
  #context: AudioContext | null = null;
  #timer: ReturnType<typeof setInterval> | null = null;
  readonly #watched = new Set<Watched>();
  readonly #samples = new Float32Array(FFT_SIZE);

  /** `stream` must have an audio track now. */
  watch(stream: MediaStream): LevelMeter {
    const context = this.#open();
    const source = context.createMediaStreamSource(stream);
    const analyser = new AnalyserNode(context, { fftSize: FFT_SIZE });
    source.connect(analyser);
    const watched = { source, analyser, level: signal(0), speaking: signal(false), state: SILENT };
    this.#watched.add(watched);
    this.#timer ??= setInterval(() => this.#sample(), SAMPLE_INTERVAL_MS);
    return { level: watched.level, speaking: watched.speaking, stop: () => this.#forget(watched) };
  }

  /** A context made before the first click is suspended; any click may wake it. */
  wake(): void {
    if (this.#context?.state === "suspended") void this.#context.resume();
  }

  dispose(): void {
    for (const watched of this.#watched) this.#forget(watched);
    void this.#context?.close();
    this.#context = null;
  }

  #open(): AudioContext {
    this.#context ??= new AudioContext();
    this.wake();
    return this.#context;
  }

  #sample(): void {
    const nowMs = performance.now();
    for (const watched of this.#watched) {
      watched.analyser.getFloatTimeDomainData(this.#samples);
      watched.level.value = levelFrom(rootMeanSquare(this.#samples));
      watched.state = nextSpeaking(watched.state, watched.level.peek(), nowMs);
      watched.speaking.value = watched.state.speaking;
    }
  }

  #forget(watched: Watched): void {
    watched.source.disconnect();
    this.#watched.delete(watched);
    if (this.#watched.size === 0 && this.#timer !== null) {
      clearInterval(this.#timer);
      this.#timer = null;
    }
  }
}
