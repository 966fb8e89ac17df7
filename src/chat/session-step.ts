/**
 * CapturedStep: one token after those in one place of keys and values, as GPU commands that onnxruntime recorded once and
 * then replays: about a tenth of the CPU time of a run. Everything it touches has its fixed place: weights, keys and
 * values, and the few numbers that differ from token to token, which are written before each run.
 *
 * What has to be kept to, or the result is silently wrong: a session is bound to the first buffers that it is given; the
 * first run is executed twice, which is harmless because keys and values go to a position; windows narrower than the
 * text are not replayed rightly (`Session` sees to that).
 */

import type { InferenceSession, Tensor } from 'onnxruntime-web';
import { BUFFER_USAGE } from '../gpu/buffers.ts';
import type { KeyValueSlot } from './cache-slots.ts';
import type { Runtime } from './runtime.ts';
import { StepRecording } from './step-recording.ts';

/** What a step is made of. */
export interface StepParts {
  readonly runtime: Runtime;
  readonly device: GPUDevice;
  /** A graph of the purpose `step` for the slot's capacity. */
  readonly model: Uint8Array<ArrayBuffer>;
  readonly sessionOptions: InferenceSession.SessionOptions;
  readonly weights: Readonly<Record<string, Tensor>>;
  readonly slot: KeyValueSlot;
}

/** Tokens that are compared with an ordinary run before a step is trusted: captured, replayed, replayed by ourselves. */
const TOKENS_TO_PROVE = 3;

/** One captured step. Calls must be made in turn. */
export class CapturedStep {
  /** How many of its next results have to be compared yet. */
  unproven = TOKENS_TO_PROVE;
  readonly #session: InferenceSession;
  readonly #device: GPUDevice;
  readonly #numbers: ReadonlyMap<string, GPUBuffer>;
  readonly #feeds: Readonly<Record<string, Tensor>>;
  readonly #fetches: Readonly<Record<string, Tensor>>;
  /** Undefined until there is something to take down: onnxruntime's second run is a replay and nothing else. */
  #recording: StepRecording | null | undefined;
  #runs = 0;

  private constructor(session: InferenceSession, { runtime, device, weights, slot }: StepParts) {
    this.#session = session;
    this.#device = device;
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
  }

  /** Opens a session for it. Throws whatever the runtime says against it. */
  static async open(parts: StepParts): Promise<CapturedStep> {
    const options = {
      ...parts.sessionOptions,
      enableGraphCapture: true,
      preferredOutputLocation: 'gpu-buffer' as const,
    };
    return new CapturedStep(await parts.runtime.InferenceSession.create(parts.model, options), parts);
  }

  /** Runs one token; the slot's logits are its result. `numbers` holds the value of every small input by name. */
  async run(numbers: Readonly<Record<string, number>>): Promise<void> {
    for (const [name, buffer] of this.#numbers) {
      const value = numbers[name];
      if (value === undefined) throw new Error(`the step wants ${name}`);
      this.#device.queue.writeBuffer(buffer, 0, Int32Array.of(value));
    }
    if (this.#recording) {
      this.#recording.submit();
      return;
    }
    const run = async () => {
      await this.#session.run(this.#feeds, this.#fetches);
    };
    if (this.#runs++ === 1) this.#recording = await StepRecording.of(this.#device, run);
    else await run();
  }

  /** Ends it; slot and weights stay. */
  async dispose(): Promise<void> {
    await this.#session.release();
    for (const buffer of this.#numbers.values()) buffer.destroy();
  }
}
