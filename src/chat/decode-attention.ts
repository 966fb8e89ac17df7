/**
 * DecodeAttention: attention of one new token over keys and values that lie in place, as four dispatches of our own
 * (shaders/decode-attention.wgsl). One serves all layers of a step: its scratch is used by one after the other. Where it
 * stands in for onnxruntime's is `step-attention.ts`.
 */

import { BUFFER_USAGE } from '../gpu/buffers.ts';
import { unrolled } from '../gpu/unroll.ts';
import { shaderText } from '../methods/index.ts';
import type { Dispatch, StepNumbers, Workgroups } from './step-recording.ts';

/** Heads of a model. */
export interface AttentionShape {
  /** Of queries; a multiple of `keyValueHeads`. */
  readonly heads: number;
  readonly keyValueHeads: number;
  /** Elements of one head, a multiple of 4. */
  readonly headSize: number;
}

/** What the attention of one layer reads and writes, f32 from byte 0. No two are the same buffer. */
export interface AttentionBuffers {
  /** [heads, headSize]. */
  readonly queries: GPUBuffer;
  /** [keyValueHeads, capacityTokens, headSize]; those of the new token included. */
  readonly keys: GPUBuffer;
  readonly values: GPUBuffer;
  /** One i32: the number of tokens, the new one included. */
  readonly totalTokens: GPUBuffer;
  /** [heads, headSize]; written. */
  readonly mixed: GPUBuffer;
}

/** Invocations of a workgroup. */
const LANES = 64;

/** Heads that one invocation works for at once: each key and value is read once for them. More want too many registers. */
const MOST_HEADS_AT_ONCE = 8;

/** Tokens whose scores one invocation works out at once: each query is read once for them. */
const TOKENS_AT_ONCE = 4;

/** Sums of four elements that one invocation holds, for all its heads; and of one head at most. */
const MOST_SUMS = 16;
const MOST_QUARTERS_AT_ONCE = 4;

/** Tokens of a split at least, and splits at most: what runs one after another is shortest where both are alike. */
const SPLIT_TOKENS = 16;
const MOST_SPLITS = 64;

/** No window. */
const EVERYTHING = 0xffff_ffff;

const { STORAGE, UNIFORM, COPY_DST } = BUFFER_USAGE;

interface Pipelines {
  readonly layout: GPUBindGroupLayout;
  readonly score: GPUComputePipeline;
  readonly weigh: GPUComputePipeline;
  readonly mix: GPUComputePipeline;
  readonly join: GPUComputePipeline;
}

const compiled = new WeakMap<GPUDevice, Map<string, Promise<Pipelines>>>();

/** Attention for steps over keys and values of one capacity. */
export class DecodeAttention {
  readonly #device: GPUDevice;
  readonly #shape: AttentionShape;
  readonly #capacityTokens: number;
  readonly #pipelines: Pipelines;
  readonly #scores: GPUBuffer;
  readonly #sums: GPUBuffer;
  /** By window and scale. */
  readonly #layers = new Map<string, GPUBuffer>();

  private constructor(device: GPUDevice, shape: AttentionShape, capacityTokens: number, pipelines: Pipelines) {
    const { heads, headSize } = shape;
    this.#device = device;
    this.#shape = shape;
    this.#capacityTokens = capacityTokens;
    this.#pipelines = pipelines;
    this.#scores = device.createBuffer({ label: 'scores', size: heads * capacityTokens * 4, usage: STORAGE });
    const size = heads * MOST_SPLITS * (headSize + 4) * 4;
    this.#sums = device.createBuffer({ label: 'sums of values', size, usage: STORAGE });
  }

  /** Compiles it, once for each device and shape. Rejects where the device refuses it. */
  static async open(device: GPUDevice, shape: AttentionShape, capacityTokens: number): Promise<DecodeAttention> {
    const known = compiled.get(device) ?? new Map<string, Promise<Pipelines>>();
    compiled.set(device, known);
    const key = `${shape.heads} ${shape.keyValueHeads} ${shape.headSize}`;
    const compiling = known.get(key) ?? compile(device, shape);
    known.set(key, compiling);
    compiling.catch(() => known.delete(key));
    return new DecodeAttention(device, shape, capacityTokens, await compiling);
  }

  /**
   * The commands of one layer, for steps whose numbers hold `total_tokens`.
   * @param windowTokens how many tokens the new one sees, itself included; null: all.
   */
  dispatches(buffers: AttentionBuffers, scale: number, windowTokens: number | null): readonly Dispatch[] {
    const { layout, score, weigh, mix, join } = this.#pipelines;
    const entries = [
      buffers.queries,
      buffers.keys,
      buffers.values,
      buffers.totalTokens,
      this.#scores,
      this.#sums,
      buffers.mixed,
      this.#layer(scale, windowTokens),
    ].map((buffer, binding) => ({ binding, resource: { buffer } }));
    const groups = [this.#device.createBindGroup({ label: 'attention', layout, entries })];
    const { HEADS, QUARTERS, HEADS_AT_ONCE, PLACES } = constantsOf(this.#shape);
    const rows = HEADS / HEADS_AT_ONCE;
    const seen = ({ total_tokens = 0 }: StepNumbers) =>
      Math.min(total_tokens, this.#capacityTokens, windowTokens ?? total_tokens);
    const workgroups = (invocations: number, y: number): Workgroups => [Math.ceil(invocations / LANES), y, 1];
    return [
      { pipeline: score, groups, size: (numbers) => workgroups(seen(numbers) / TOKENS_AT_ONCE, rows) },
      { pipeline: weigh, groups, size: (numbers) => workgroups(splitsOf(seen(numbers)), HEADS) },
      { pipeline: mix, groups, size: (numbers) => workgroups(splitsOf(seen(numbers)) * PLACES, rows) },
      { pipeline: join, groups, size: workgroups(HEADS * QUARTERS, 1) },
    ];
  }

  /** Frees its scratch; not to be used by commands that are submitted later. */
  dispose(): void {
    for (const buffer of [this.#scores, this.#sums, ...this.#layers.values()]) buffer.destroy();
  }

  #layer(scale: number, windowTokens: number | null): GPUBuffer {
    const key = `${scale} ${windowTokens}`;
    const known = this.#layers.get(key);
    if (known) return known;
    const words = Uint32Array.of(this.#capacityTokens, windowTokens ?? EVERYTHING, 0, 0);
    new Float32Array(words.buffer).set([scale], 2);
    const buffer = this.#device.createBuffer({ label: 'layer', size: words.byteLength, usage: UNIFORM | COPY_DST });
    this.#device.queue.writeBuffer(buffer, 0, words);
    this.#layers.set(key, buffer);
    return buffer;
  }
}

/** As the shader has it. */
function splitsOf(tokens: number): number {
  return Math.ceil(tokens / Math.max(SPLIT_TOKENS, Math.ceil(tokens / MOST_SPLITS)));
}

/** The constants of the shader. */
function constantsOf({ heads, keyValueHeads, headSize }: AttentionShape) {
  const shares = heads / keyValueHeads;
  const quarters = headSize / 4;
  const headsAtOnce = largestPart(shares, MOST_HEADS_AT_ONCE);
  const quartersAtOnce = largestPart(quarters, Math.min(MOST_QUARTERS_AT_ONCE, Math.floor(MOST_SUMS / headsAtOnce)));
  return {
    LANES,
    HEADS: heads,
    SHARES: shares,
    QUARTERS: quarters,
    HEADS_AT_ONCE: headsAtOnce,
    TOKENS_AT_ONCE,
    QUARTERS_AT_ONCE: quartersAtOnce,
    PLACES: quarters / quartersAtOnce,
    SPLIT_TOKENS,
    MOST_SPLITS,
  };
}

/** The largest number up to `most` of which `whole` is a multiple. */
function largestPart(whole: number, most: number): number {
  let part = Math.min(whole, most);
  while (whole % part !== 0) part--;
  return part;
}

async function compile(device: GPUDevice, shape: AttentionShape): Promise<Pipelines> {
  const { heads, keyValueHeads, headSize } = shape;
  if (heads % keyValueHeads !== 0 || headSize % 4 !== 0) throw new RangeError(`heads of ${headSize} do not fit`);
  const constants = constantsOf(shape);
  // Where an index is a variable, what it points into is not held in registers.
  const text = (['HEADS_AT_ONCE', 'TOKENS_AT_ONCE', 'QUARTERS_AT_ONCE'] as const).reduce(
    (shorter, name) => unrolled(shorter, constants[name], name, MOST_HEADS_AT_ONCE),
    shaderText('decode-attention'),
  );
  const code = [...Object.entries(constants).map(([name, value]) => `const ${name} = ${value}u;`), text].join('\n');
  const types = [
    ...Array.from({ length: 4 }, () => 'read-only-storage' as const),
    ...Array.from({ length: 3 }, () => 'storage' as const),
    'uniform' as const,
  ];
  const layout = device.createBindGroupLayout({
    entries: types.map((type, binding) => ({ binding, visibility: 4 /* GPUShaderStage.COMPUTE */, buffer: { type } })),
  });
  const module = device.createShaderModule({ label: 'decode-attention', code });
  const [score, weigh, mix, join] = await Promise.all(
    ['score', 'weigh', 'mix', 'join'].map((entryPoint) =>
      device.createComputePipelineAsync({
        label: `attention ${entryPoint}`,
        layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module, entryPoint },
      }),
    ),
  );
  if (!score || !weigh || !mix || !join) throw new Error('a pipeline is missing');
  return { layout, score, weigh, mix, join };
}
