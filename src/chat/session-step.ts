/**
 * CapturedStep: one token after those in one place of keys and values, as GPU commands that onnxruntime recorded once and
 * then replays: about a tenth of the CPU time of a run. Everything it touches has its fixed place: weights, keys and
 * values, and the few numbers that differ from token to token, which are written before each run.
 *
 * What has to be kept to, or the result is silently wrong: a session is bound to the first buffers that it is given; the
 * first run is executed twice, which is harmless because keys and values go to a position; onnxruntime's attention is
 * replayed as if there were no windows, so that texts beyond one are right only where our own stands in for it.
 */

import type { InferenceSession, Tensor } from 'onnxruntime-web';
import type { LiveForm } from '../formats/block-quantised.ts';
import { BUFFER_USAGE } from '../gpu/buffers.ts';
import type { Architecture } from './architecture.ts';
import type { KeyValueSlot } from './cache-slots.ts';
import type { Runtime } from './runtime.ts';
import { KernelWatch } from './step-kernels.ts';
import { type StepNumbers, StepRecording } from './step-recording.ts';
import { type StepWay, waysOf } from './step-replacing.ts';

/** What a step is made of. */
export interface StepParts {
  readonly runtime: Runtime;
  readonly device: GPUDevice;
  readonly architecture: Architecture;
  readonly forms: ReadonlyMap<string, LiveForm>;
  /** A graph of the purpose `step` for the slot's capacity. */
  readonly model: Uint8Array<ArrayBuffer>;
  readonly sessionOptions: InferenceSession.SessionOptions;
  readonly weights: Readonly<Record<string, Tensor>>;
  readonly slot: KeyValueSlot;
}

/** Runs of onnxruntime's own: the first is captured, the second replayed, and taken down by us. */
const RUNS_TO_RECORD = 2;

/** Results of one way that are compared with ordinary runs before it is trusted. */
const TOKENS_TO_PROVE = 2;

/** One captured step. Calls must be made in turn. */
export class CapturedStep {
  /** How many of its next results have to be compared yet. */
  unproven = RUNS_TO_RECORD + TOKENS_TO_PROVE;
  readonly #session: InferenceSession;
  readonly #parts: StepParts;
  readonly #numbers: ReadonlyMap<string, GPUBuffer>;
  readonly #feeds: Readonly<Record<string, Tensor>>;
  readonly #fetches: Readonly<Record<string, Tensor>>;
  readonly #stopWatching: () => void;
  /** Null until there is something to take down, and where that failed; the last one is the way that is taken. */
  #ways: StepWay[] | null = null;
  /** By which the last run was made; null: by onnxruntime. */
  #taken: StepWay | null = null;
  #isBeyondWindow = false;
  #runs = 0;

  private constructor(session: InferenceSession, parts: StepParts) {
    const { runtime, device, weights, slot } = parts;
    this.#session = session;
    this.#parts = parts;
    const numbers = session.inputNames.filter((name) => !(name in weights) && !(name in slot.pasts));
    const { STORAGE, COPY_SRC, COPY_DST } = BUFFER_USAGE;
    this.#numbers = new Map(
      numbers.map((name) => [name, device.createBuffer({ size: 16, usage: STORAGE | COPY_SRC | COPY_DST })]),
    );
    const small = [...this.#numbers].map(([name, buffer]) => [
      name,
      runtime.Tensor.fromGpuBuffer(buffer, { dataType: 'int32', dims: [1] }),
    ]);
    this.#feeds = { ...weights, ...slot.pasts, ...Object.fromEntries(small) };
    this.#fetches = { ...slot.presents, logits: slot.logits };
    this.#stopWatching = KernelWatch.on(device).watchBindings();
  }

  /** Opens a session for it. Throws whatever the runtime says against it. */
  static async open(parts: StepParts): Promise<CapturedStep> {
    const { sessionOptions } = parts;
    const options = {
      ...sessionOptions,
      enableGraphCapture: true,
      preferredOutputLocation: 'gpu-buffer' as const,
    };
    return new CapturedStep(await parts.runtime.InferenceSession.create(parts.model, options), parts);
  }

  /** What kernels of our own stand in for, in the way that the next run takes. */
  get replaced(): StepWay['kinds'] {
    return this.#ways?.at(-1)?.kinds ?? [];
  }

  /** Whether what the next run gives is right for texts that are longer than a window of attention. */
  get seesWindows(): boolean {
    return this.#ways?.at(-1)?.seesWindows ?? false;
  }

  /** False once it is known that such texts are not for this step. */
  get mayComeToSeeWindows(): boolean {
    return this.seesWindows || this.#runs < RUNS_TO_RECORD;
  }

  /** Runs one token; the slot's logits are its result. `numbers` holds the value of every small input by name. */
  async run(numbers: StepNumbers): Promise<void> {
    for (const [name, buffer] of this.#numbers) {
      const value = numbers[name];
      if (value === undefined) throw new Error(`the step wants ${name}`);
      this.#parts.device.queue.writeBuffer(buffer, 0, Int32Array.of(value));
    }
    this.#taken = this.#ways?.at(-1) ?? null;
    if (this.#taken) {
      this.#taken.recording.submit(numbers);
      return;
    }
    const run = async () => {
      await this.#session.run(this.#feeds, this.#fetches);
    };
    if (++this.#runs === RUNS_TO_RECORD) await this.#record(run);
    else await run();
  }

  /** To be called for texts that are longer than a window: what was proved inside it is proved once more. */
  leavesWindow(): void {
    if (this.#isBeyondWindow) return;
    this.#isBeyondWindow = true;
    this.unproven = Math.max(this.unproven, TOKENS_TO_PROVE);
  }

  /**
   * Gives the way up that the last run took, for one with less of our own, which is to be proved anew.
   * @returns false where there is none.
   */
  retreat(): boolean {
    if (this.#ways === null || this.#ways.length < 2 || this.#taken === null) return false;
    this.#ways.pop()?.dispose();
    this.unproven = TOKENS_TO_PROVE;
    return true;
  }

  /** Ends it; slot and weights stay. */
  async dispose(): Promise<void> {
    this.#stopWatching();
    await this.#session.release();
    for (const way of this.#ways ?? []) way.dispose();
    for (const buffer of this.#numbers.values()) buffer.destroy();
  }

  async #record(run: () => Promise<void>): Promise<void> {
    const { device, architecture, weights, forms, slot } = this.#parts;
    const recording = await StepRecording.of(device, run);
    this.#stopWatching();
    if (recording === null) return;
    const facts = { device, architecture, weights, forms, slot, numbers: this.#numbers };
    this.#ways = await waysOf(recording, facts);
  }
}
