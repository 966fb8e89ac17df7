/**
 * PromptKernels: runs pieces of text by onnxruntime with kernels of our own in the place of some of its dispatches
 * (`live-exchange.ts`). They are proved before they are used: the beginning of the first piece that is long enough is run both
 * ways, and where the logits differ they are given up, as they are where a run is not in every respect as it is known.
 */

import type { InferenceSession, Tensor } from 'onnxruntime-web';
import { exchanging } from './live-exchange.ts';
import { PromptAttention } from './prompt-attention.ts';
import { type PromptFacts, PromptProducts } from './prompt-products.ts';
import { gpuBufferOf } from './runtime-buffers.ts';
import { agree, readRows } from './session-logits.ts';
import type { BoundKernel } from './step-kernels.ts';

/** Tokens that are run both ways: as many as onnxruntime's kernels for prompts begin with. Shorter pieces wait for proof. */
const PROOF_TOKENS = 32;

/** Outputs of a run by name. */
export type Outputs = InferenceSession.OnnxValueMapType;

/** Runs some tokens after those that are cached, without taking them into the cache. */
export type TokenRun = (ids: readonly number[]) => Promise<Outputs>;

/** A run over some new tokens. */
export interface OrdinaryRun {
  /** Where the first of them stands. */
  readonly position: number;
  readonly run: TokenRun;
  /** The places of keys and values, by the names of the graph's inputs. */
  readonly pasts: Readonly<Record<string, Tensor>>;
  /** Outputs that lie in tensors of others; the rest is the caller's. */
  readonly kept: Readonly<Record<string, Tensor | null>>;
}

/** Our own kernels in the ordinary runs of one session. Calls must be made in turn. */
export class PromptKernels {
  readonly #facts: PromptFacts;
  /** Begun early, so that it compiles before the first prompt comes. */
  readonly #opening: Promise<readonly [PromptProducts | null, PromptAttention | null]>;
  #products: PromptProducts | null = null;
  #attention: PromptAttention | null = null;
  #state: 'unproved' | 'proved' | 'given up' = 'unproved';

  constructor(facts: PromptFacts) {
    this.#facts = facts;
    // What the device refuses to compile is as good as what gives wrong numbers.
    this.#opening = Promise.all([
      PromptProducts.open(facts).catch(() => null),
      PromptAttention.open(facts.device, facts.architecture).catch(() => null),
    ]);
  }

  /** What runs use of them. */
  get kinds(): readonly ('products' | 'attention')[] {
    if (this.#state !== 'proved') return [];
    return [...(this.#products ? (['products'] as const) : []), ...(this.#attention ? (['attention'] as const) : [])];
  }

  /** Runs tokens, by our own kernels where they are proved. */
  async run(ids: readonly number[], ordinary: OrdinaryRun): Promise<Outputs> {
    if (this.#state === 'unproved' && ids.length >= PROOF_TOKENS) {
      await this.#prove(ids.slice(0, PROOF_TOKENS), ordinary);
    }
    if (this.#state !== 'proved') return ordinary.run(ids);
    const { outputs, isComplete } = await this.#runOwn(ids, ordinary);
    if (isComplete) return outputs;
    free(outputs, ordinary);
    this.#giveUp();
    // It writes the same keys and values at the same positions.
    return ordinary.run(ids);
  }

  /** Frees what it holds. */
  dispose(): void {
    this.#giveUp();
  }

  async #prove(ids: readonly number[], ordinary: OrdinaryRun): Promise<void> {
    [this.#products, this.#attention] = await this.#opening;
    if (this.#products === null && this.#attention === null) {
      this.#giveUp();
      return;
    }
    const plain = await ordinary.run(ids);
    const truth = await this.#logitsOf(plain);
    free(plain, ordinary);
    if (!truth.every(Number.isFinite)) {
      // Weights that give no numbers prove nothing; others may follow.
      this.#leave();
      return;
    }
    if (await this.#isRight(ids, ordinary, truth)) return;
    // Once more with less.
    this.#leaveAttention();
    if (this.#products === null || !(await this.#isRight(ids, ordinary, truth))) this.#giveUp();
  }

  async #isRight(ids: readonly number[], ordinary: OrdinaryRun, truth: Float32Array): Promise<boolean> {
    const { outputs, isComplete, hasAttention } = await this.#runOwn(ids, ordinary);
    const isRight = isComplete && agree(await this.#logitsOf(outputs), truth);
    free(outputs, ordinary);
    if (isRight) {
      this.#state = 'proved';
      // What was not there is not proved.
      if (!hasAttention) this.#leaveAttention();
    }
    return isRight;
  }

  async #runOwn(
    ids: readonly number[],
    { run, position, pasts }: OrdinaryRun,
  ): Promise<{ outputs: Outputs; isComplete: boolean; hasAttention: boolean }> {
    const products = this.#products?.during(ids.length);
    const attention = this.#attention?.during(position, ids.length, pasts);
    const exchange = (kernel: BoundKernel) => products?.exchange(kernel) ?? attention?.exchange(kernel) ?? null;
    const outputs = await exchanging(this.#facts.device, exchange, () => run(ids));
    const isComplete = products?.isComplete() !== false;
    return { outputs, isComplete, hasAttention: attention?.isComplete() === true };
  }

  async #logitsOf(outputs: Outputs): Promise<Float32Array> {
    const logits = outputs['logits'] as Tensor | undefined;
    if (!logits) throw new Error('the graph gave no logits');
    const { device, architecture } = this.#facts;
    const { vocabularySize } = architecture;
    const rows = logits.dims[0] ?? 0;
    return (await readRows({ kind: 'gpu', device, buffer: gpuBufferOf(logits), rows, vocabularySize })).slice();
  }

  #leaveAttention(): void {
    this.#attention?.dispose();
    this.#attention = null;
  }

  #leave(): void {
    this.#products?.dispose();
    this.#products = null;
    this.#leaveAttention();
  }

  #giveUp(): void {
    this.#state = 'given up';
    this.#leave();
  }
}

function free(outputs: Outputs, { kept }: OrdinaryRun): void {
  for (const [name, tensor] of Object.entries(outputs)) if (!kept[name]) (tensor as Tensor).dispose();
}
