/**
 * PromptProducts: finds onnxruntime's products of matrices with the vectors of a piece of text among its dispatches, and
 * gives our own for them (`prompt-matrix.ts`; for one vector `decode-matrix.ts`): each by the weight that it binds.
 *
 * On software adapters only, as in steps (`step-matrices.ts`), and for the same reasons.
 */

import type { LiveForm } from '../formats/block-quantised.ts';
import { type Architecture, type Linear, linearsOf } from './architecture.ts';
import { boundProduct, matrixBuffer, type WeightTensors, weightBuffer } from './bound-products.ts';
import { DecodeMatrices, matrixKernelOf } from './decode-matrix.ts';
import type { MatrixKernel } from './matrix-kernels.ts';
import { PromptMatrices } from './prompt-matrix.ts';
import type { BoundKernel } from './step-kernels.ts';
import type { SizedDispatch } from './step-recording.ts';
import { isSoftware } from './step-matrices.ts';

/** What a session runs. */
export interface PromptFacts {
  readonly device: GPUDevice;
  readonly architecture: Architecture;
  /** By name of the graph's input; the buffers of these tensors are the ones that are bound. */
  readonly weights: WeightTensors;
  readonly forms: ReadonlyMap<string, LiveForm>;
  /** For which tokens of a run the output matrix is multiplied. */
  readonly logits: 'last' | 'all';
}

interface Known {
  readonly linear: Linear;
  readonly kernel: MatrixKernel;
  readonly isHead: boolean;
}

/** Our products for one session. */
export class PromptProducts {
  readonly #facts: PromptFacts;
  /** Those that we have kernels for, by the buffer of the matrix. */
  readonly #known: ReadonlyMap<GPUBuffer, Known>;
  readonly #many: PromptMatrices;
  readonly #one: DecodeMatrices;

  private constructor(
    facts: PromptFacts,
    known: ReadonlyMap<GPUBuffer, Known>,
    many: PromptMatrices,
    one: DecodeMatrices,
  ) {
    this.#facts = facts;
    this.#known = known;
    this.#many = many;
    this.#one = one;
  }

  /** Null where there is nothing to exchange. Rejects where the device refuses a kernel. */
  static async open(facts: PromptFacts): Promise<PromptProducts | null> {
    const { device, architecture, weights, forms } = facts;
    if (!isSoftware(device)) return null;
    const known = new Map<GPUBuffer, Known>();
    for (const linear of linearsOf(architecture)) {
      const kernel = matrixKernelOf(linear, forms.get(linear.weight) ?? 'f32');
      const buffer = weightBuffer(weights, linear.weight);
      if (kernel === null || buffer === null) continue;
      // One that is read by two could not be told from the other.
      if (known.has(buffer)) return null;
      known.set(buffer, { linear, kernel, isHead: linear === architecture.head.linear });
    }
    if (known.size === 0) return null;
    const kernels = new Set([...known.values()].map(({ kernel }) => kernel));
    const [many, one] = await Promise.all([PromptMatrices.open(device, kernels), DecodeMatrices.open(device, kernels)]);
    return new PromptProducts(facts, known, many, one);
  }

  /** For one run over some new tokens. */
  during(tokens: number): { exchange(bound: BoundKernel): readonly SizedDispatch[] | null; isComplete(): boolean } {
    const { weights, logits } = this.#facts;
    const found = new Set<Known>();
    let isAsKnown = true;
    return {
      exchange: (bound) => {
        const known = this.#knownIn(bound);
        if (known === null) return null;
        const { linear, kernel, isHead } = known;
        const rows = isHead && logits === 'last' ? 1 : tokens;
        const buffers = boundProduct(bound, linear, kernel, weights, rows);
        isAsKnown &&= buffers !== null && !found.has(known);
        if (buffers === null || !isAsKnown) return null;
        found.add(known);
        return rows === 1
          ? [this.#one.dispatch(kernel, linear, buffers)]
          : [this.#many.dispatch(kernel, linear, buffers, rows)];
      },
      isComplete: () => isAsKnown && found.size === this.#known.size,
    };
  }

  /** Frees what it holds. */
  dispose(): void {
    this.#many.dispose();
    this.#one.dispose();
  }

  /** Which product a dispatch is, if it is one. */
  #knownIn(bound: BoundKernel): Known | null {
    for (const kernel of ['rows_f32', 'rows_q8'] as const) {
      const buffer = matrixBuffer(bound, kernel);
      const known = buffer === null ? undefined : this.#known.get(buffer);
      if (known) return known;
    }
    return null;
  }
}
