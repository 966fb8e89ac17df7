/**
 * GraphRunner: a graph under test, run by onnxruntime on the CPU as bare as can be: a growing cache, weights as inputs in
 * any form, one text. What a session adds (GPU buffers, capture, static caches) is not in it. Not shipped.
 */

import type { InferenceSession, Tensor } from 'onnxruntime-web';
import { bitsOf, heldMatrix, isTransposed, type LiveForm, quantiseRows } from '../../formats/block-quantised.ts';
import type { Architecture } from '../architecture.ts';
import { buildGraph, type GraphOptions, graphInputs } from '../graph.ts';
import { inTurn, loadRuntime, type Runtime } from '../runtime.ts';
import type { Tensors } from './forward.ts';

/** Runs one text at a time. */
export class GraphRunner {
  readonly #architecture: Architecture;
  readonly #runtime: Runtime;
  readonly #session: InferenceSession;
  readonly #weights: Readonly<Record<string, Tensor>>;
  readonly #takesPositions: boolean;
  readonly #capacityTokens: number;
  #cache: Record<string, Tensor> = {};
  #tokens = 0;

  private constructor(
    architecture: Architecture,
    runtime: Runtime,
    session: InferenceSession,
    weights: Readonly<Record<string, Tensor>>,
    takesPositions: boolean,
    capacityTokens: number,
  ) {
    this.#architecture = architecture;
    this.#runtime = runtime;
    this.#session = session;
    this.#weights = weights;
    this.#takesPositions = takesPositions;
    this.#capacityTokens = capacityTokens;
    this.restart();
  }

  static async open(
    architecture: Architecture,
    tensors: Tensors,
    options: Partial<Pick<GraphOptions, 'forms' | 'capacityTokens' | 'logits'>> = {},
  ): Promise<GraphRunner> {
    const graph = buildGraph(architecture, { logits: 'all', constants: null, ...options });
    const runtime = await loadRuntime();
    const session = await inTurn(() =>
      runtime.InferenceSession.create(graph.model, { executionProviders: ['wasm'], logSeverityLevel: 3 }),
    );
    const held = heldWeights(architecture, tensors, options.forms ?? new Map());
    const weights: Record<string, Tensor> = {};
    for (const { name, data, shape } of held) weights[name] = tensorOf(runtime, data, shape);
    const capacity = options.capacityTokens ?? architecture.contextTokens;
    return new GraphRunner(architecture, runtime, session, weights, graph.takesPositions, capacity);
  }

  /** Forgets the text. */
  restart(): void {
    const { layers, keyValueHeads, headSize } = this.#architecture;
    this.#tokens = 0;
    this.#cache = {};
    for (let layer = 0; layer < layers; layer++) {
      for (const part of ['key', 'value']) {
        const name = `past_key_values.${layer}.${part}`;
        this.#cache[name] = new this.#runtime.Tensor('float32', new Float32Array(), [1, keyValueHeads, 0, headSize]);
      }
    }
  }

  /**
   * Runs new tokens and gives their rows of logits.
   * @param textTokens how long the whole text will be, where a rotation depends on it; default: until here.
   */
  async run(ids: readonly number[], textTokens = this.#tokens + ids.length): Promise<Float32Array[]> {
    const { Tensor } = this.#runtime;
    const { ropeSwitchTokens, vocabularySize } = this.#architecture;
    const total = this.#tokens + ids.length;
    const feeds: Record<string, Tensor> = {
      ...this.#weights,
      ...this.#cache,
      input_ids: new Tensor('int32', Int32Array.from(ids), [ids.length]),
    };
    const shift = ropeSwitchTokens !== null && textTokens > ropeSwitchTokens ? this.#capacityTokens : 0;
    const positions = Int32Array.from(ids, (_, i) => this.#tokens + i + shift);
    if (this.#takesPositions) feeds['positions'] = new Tensor('int32', positions, [ids.length]);
    feeds['last_position'] = new Tensor('int32', Int32Array.of(total - 1), [1]);
    feeds['total_tokens'] = new Tensor('int32', Int32Array.of(total), [1]);
    for (const name of Object.keys(feeds)) if (!this.#session.inputNames.includes(name)) delete feeds[name];
    const outputs = await inTurn(() => this.#session.run(feeds));
    for (const [name, tensor] of Object.entries(outputs)) {
      if (name.startsWith('present')) this.#cache[name.replace('present', 'past_key_values')] = tensor;
    }
    this.#tokens = total;
    const data = outputs['logits']?.data as Float32Array;
    return Array.from({ length: data.length / vocabularySize }, (_, row) =>
      data.slice(row * vocabularySize, (row + 1) * vocabularySize),
    );
  }

  async dispose(): Promise<void> {
    await inTurn(() => this.#session.release());
  }
}

/** The weights that a graph reads, as they are held in these forms. */
export function heldWeights(architecture: Architecture, tensors: Tensors, forms: ReadonlyMap<string, LiveForm>) {
  return graphInputs(architecture, forms).map(({ name, tensor, part, shape }) => {
    const source = tensors.get(tensor);
    if (!source) throw new Error(`no ${tensor}`);
    const form = forms.get(tensor) ?? 'f32';
    if (form === 'f32') return { name, shape, data: source.data };
    const { rows, columns } = heldMatrix(form, source.shape);
    const matrix = isTransposed(form) ? turned(source.data, columns, rows) : source.data;
    const { values, scales } = quantiseRows(matrix, columns, bitsOf(form));
    return { name, shape, data: part === 'values' ? values : scales };
  });
}

/** A matrix [rows, columns] as [columns, rows]. */
export function turned(data: Float32Array, rows: number, columns: number): Float32Array {
  return Float32Array.from(data, (_, i) => data[(i % rows) * columns + Math.floor(i / rows)] ?? Number.NaN);
}

function tensorOf(runtime: Runtime, data: Float32Array | Uint8Array, shape: readonly number[]): Tensor {
  return data instanceof Float32Array
    ? new runtime.Tensor('float32', data, shape)
    : new runtime.Tensor('uint8', data, shape);
}
