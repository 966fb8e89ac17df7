/**
 * StepReplacement: what one kind of own kernels offers for a recorded step, and what it is given to find its place there.
 * Each kind has a file of its own; all of them together are `step-replacing.ts`.
 */

import type { Tensor } from 'onnxruntime-web';
import type { LiveForm } from '../formats/block-quantised.ts';
import type { Architecture } from './architecture.ts';
import type { KeyValueSlot } from './cache-slots.ts';
import type { StepRecording, StepReplacement } from './step-recording.ts';

/** What a step computes with. */
export interface StepFacts {
  readonly device: GPUDevice;
  readonly architecture: Architecture;
  /** By name of the graph's input; the buffers of these tensors are the ones that are bound. */
  readonly weights: Readonly<Record<string, Tensor>>;
  readonly forms: ReadonlyMap<string, LiveForm>;
  readonly slot: KeyValueSlot;
  /** One i32 each, by name of the graph's input. */
  readonly numbers: ReadonlyMap<string, GPUBuffer>;
}

/** Commands in the place of others, and what they hold. */
export interface Replaced {
  readonly replacements: readonly StepReplacement[];
  /** Frees its own buffers. */
  dispose(): void;
}

/** One kind of own kernels. */
export interface StepReplacer {
  readonly kind: 'attention' | 'matrices';
  /** True where the step is right beyond the windows of attention with it; onnxruntime's is not. */
  readonly seesWindows: boolean;
  /**
   * Finds its place in a recording.
   * @returns null where what was recorded is not in every respect what it knows: then nothing is exchanged.
   */
  replace(recording: StepRecording, facts: StepFacts): Promise<Replaced | null>;
}
