/**
 * PromptAttention: attention of a piece of text over keys and values that lie in place, as dispatches of our own
 * (shaders/prompt-attention.wgsl), in the place of onnxruntime's one, in layers that see all of a text. Made for adapters that
 * compute in software, as `prompt-matrix.ts` is. The dispatches before, which rotate and write the new tokens' keys and
 * values, stay.
 */

import type { Tensor } from 'onnxruntime-web';
import { BUFFER_USAGE } from '../gpu/buffers.ts';
import { shaderText } from '../methods/index.ts';
import type { Architecture } from './architecture.ts';
import { whole } from './bound-products.ts';
import { gpuBufferOf } from './runtime-buffers.ts';
import { isSoftware } from './step-matrices.ts';
import type { BoundKernel } from './step-kernels.ts';
import type { SizedDispatch } from './step-recording.ts';

/** What onnxruntime calls its kernel, and what that binds. */
const NAME = 'FlashAttention';
const VARIABLES = ['q', 'present_key', 'present_value', 'seqlens_k', 'output', 'uniforms'];

/** Scores of a slice of a piece are all there at once: no more than this, unless a slice is as short as can be. */
const MOST_SCORE_BYTES = 16 * 2 ** 20;

/** Rows and keys of a tile, as the shader has it; and of one workgroup, in each pass. */
const TILE = 8;
const GROUP = { keys: 128, rows: 16, elements: 64 };

const { STORAGE, UNIFORM, COPY_DST } = BUFFER_USAGE;

interface Pipelines {
  readonly score: GPUComputePipeline;
  readonly weigh: GPUComputePipeline;
  readonly mix: GPUComputePipeline;
}

const compiled = new WeakMap<GPUDevice, Promise<Pipelines>>();

/** What the attention of one layer reads and writes, f32 from byte 0. `mixed` is none of the others. */
export interface PromptAttentionBuffers {
  /** [tokens, heads, headSize]. */
  readonly queries: GPUBuffer;
  /** [keyValueHeads, capacityTokens, headSize]; those of the new tokens included. */
  readonly keys: GPUBuffer;
  readonly values: GPUBuffer;
  /** [tokens, heads, headSize]; written. */
  readonly mixed: GPUBuffer;
}

/** What it knows of a model. */
export type PromptArchitecture = Pick<Architecture, 'heads' | 'keyValueHeads' | 'headSize' | 'cacheKind' | 'blocks'>;

/** Where the new tokens of a run stand. */
export interface Piece {
  /** Of the first one. */
  readonly position: number;
  readonly tokens: number;
  /** Room of a head's keys. */
  readonly capacityTokens: number;
}

/** Attention of prompts on one device, for one architecture. */
export class PromptAttention {
  readonly #device: GPUDevice;
  readonly #architecture: PromptArchitecture;
  readonly #pipelines: Pipelines;
  readonly #mostScoreBytes: number;
  readonly #scratch = new Map<'scores' | 'totals', GPUBuffer>();
  /** What the shader calls `Slice`, by its number in a run and its scale; and the words that it holds. */
  readonly #slices = new Map<string, { readonly buffer: GPUBuffer; words: string }>();

  private constructor(
    device: GPUDevice,
    architecture: PromptArchitecture,
    pipelines: Pipelines,
    mostScoreBytes: number,
  ) {
    this.#device = device;
    this.#architecture = architecture;
    this.#pipelines = pipelines;
    this.#mostScoreBytes = mostScoreBytes;
  }

  /**
   * Null where there is nothing to exchange. Rejects where the device refuses a kernel.
   * @param mostScoreBytes of scores that are there at once.
   */
  static async open(
    device: GPUDevice,
    architecture: PromptArchitecture,
    mostScoreBytes = MOST_SCORE_BYTES,
  ): Promise<PromptAttention | null> {
    const { blocks, cacheKind, headSize, heads, keyValueHeads } = architecture;
    const isOurs =
      isSoftware(device) &&
      cacheKind === 'static' &&
      headSize % TILE === 0 &&
      heads % keyValueHeads === 0 &&
      blocks.every(({ attention }) => attention.softCap === null) &&
      // For layers with a window onnxruntime has another kernel.
      blocks.some(({ attention }) => attention.windowTokens === null);
    if (!isOurs) return null;
    return new PromptAttention(device, architecture, await pipelinesOf(device), mostScoreBytes);
  }

  /**
   * For one run over some new tokens.
   * @param pasts the place of keys and values, by the names of the graph's inputs.
   */
  during(
    position: number,
    tokens: number,
    pasts: Readonly<Record<string, Tensor>>,
  ): { exchange(bound: BoundKernel): readonly SizedDispatch[] | null; isComplete(): boolean } {
    const { blocks } = this.#architecture;
    const exchanged = new Set<number>();
    const layers = new Map(
      blocks.flatMap(({ attention }, layer) => {
        if (attention.windowTokens !== null) return [];
        const [key, value] = ['key', 'value'].map((part) => pasts[`past_key_values.${layer}.${part}`]);
        return key && value ? [[gpuBufferOf(key), { layer, key, value: gpuBufferOf(value) }] as const] : [];
      }),
    );
    const exchange = (bound: BoundKernel) => {
      const found =
        bound.name === NAME ? layers.get(bound.bindings.get('present_key')?.buffer ?? NO_BUFFER) : undefined;
      const attention = blocks[found?.layer ?? -1]?.attention;
      if (!found || !attention) return null;
      const piece = { position, tokens, capacityTokens: found.key.dims[2] ?? 0 };
      const buffers = this.#buffersIn(bound, gpuBufferOf(found.key), found.value, piece);
      if (buffers === null) return null;
      exchanged.add(found.layer);
      return this.dispatches(buffers, piece, attention.scale);
    };
    return { exchange, isComplete: () => exchanged.size === layers.size };
  }

  /** The commands of one layer. Between two pieces, what was encoded has to be submitted. */
  dispatches(
    buffers: PromptAttentionBuffers,
    { position, tokens, capacityTokens }: Piece,
    scale: number,
  ): readonly SizedDispatch[] {
    const { heads, keyValueHeads, headSize } = this.#architecture;
    const shares = heads / keyValueHeads;
    const rowBytes = 4 * tiled(position + tokens);
    const most = Math.max(TILE, Math.floor(this.#mostScoreBytes / (rowBytes * heads * TILE)) * TILE);
    const atOnce = Math.min(most, tokens);
    const scores = this.#room('scores', heads * atOnce * rowBytes);
    const totals = this.#room('totals', heads * atOnce * 4);
    const all: SizedDispatch[] = [];
    for (let first = 0; first < tokens; first += most) {
      const count = Math.min(most, tokens - first);
      const keys = tiled(position + first + count);
      const rows = count * shares;
      const words = new ArrayBuffer(48);
      new Uint32Array(words).set([
        heads,
        shares,
        headSize / 4,
        capacityTokens,
        first,
        position + first,
        count,
        keys / 4,
      ]);
      new Float32Array(words).set([scale], 8);
      const slice = this.#slice(`${first / most} ${scale}`, words);
      const of = (name: keyof Pipelines, bound: readonly (GPUBuffer | null)[], size: SizedDispatch['size']) => {
        const entries = bound.flatMap((buffer, binding) => (buffer ? [{ binding, resource: { buffer } }] : []));
        const pipeline = this.#pipelines[name];
        const layout = pipeline.getBindGroupLayout(0);
        all.push({
          pipeline,
          groups: [this.#device.createBindGroup({ label: `prompt ${name}`, layout, entries })],
          size,
        });
      };
      const tiles = Math.ceil(rows / TILE);
      const { queries, keys: present, values, mixed } = buffers;
      of('score', [queries, present, scores, null, null, slice], [Math.ceil(keys / GROUP.keys), tiles, keyValueHeads]);
      of('weigh', [null, null, scores, totals, null, slice], [Math.ceil(rows / GROUP.rows), 1, keyValueHeads]);
      const across = Math.ceil(headSize / GROUP.elements);
      of('mix', [scores, values, null, totals, mixed, slice], [across, tiles, keyValueHeads]);
    }
    return all;
  }

  /** Frees what it holds; commands that are submitted later must not be of its making. */
  dispose(): void {
    for (const buffer of this.#scratch.values()) buffer.destroy();
    for (const { buffer } of this.#slices.values()) buffer.destroy();
  }

  #buffersIn(bound: BoundKernel, keys: GPUBuffer, values: GPUBuffer, piece: Piece): PromptAttentionBuffers | null {
    const { heads, keyValueHeads, headSize } = this.#architecture;
    const queries = whole(bound, 'q', 'read');
    const mixed = whole(bound, 'output', 'read_write');
    const bytes = piece.tokens * heads * headSize * 4;
    const cacheBytes = keyValueHeads * piece.capacityTokens * headSize * 4;
    const isAsKnown =
      bound.bindings.size === VARIABLES.length &&
      VARIABLES.every((name) => bound.bindings.has(name)) &&
      whole(bound, 'present_key', 'read') === keys &&
      whole(bound, 'present_value', 'read') === values &&
      keys.size >= cacheBytes &&
      values.size >= cacheBytes &&
      piece.position + piece.tokens <= piece.capacityTokens;
    if (!isAsKnown || queries === null || mixed === null || queries.size < bytes || mixed.size < bytes) return null;
    return new Set([queries, keys, values, mixed]).size === 4 ? { queries, keys, values, mixed } : null;
  }

  /** Room for what lies between two passes; one layer uses it after the other, and all of a run want the same. */
  #room(use: 'scores' | 'totals', bytes: number): GPUBuffer {
    const known = this.#scratch.get(use);
    if (known && known.size >= bytes) return known;
    // Runs before this one have been submitted.
    known?.destroy();
    const buffer = this.#device.createBuffer({ label: `prompt ${use}`, size: bytes, usage: STORAGE });
    this.#scratch.set(use, buffer);
    return buffer;
  }

  #slice(key: string, words: ArrayBuffer): GPUBuffer {
    let slice = this.#slices.get(key);
    if (!slice) {
      const buffer = this.#device.createBuffer({ label: 'slice', size: words.byteLength, usage: UNIFORM | COPY_DST });
      slice = { buffer, words: '' };
      this.#slices.set(key, slice);
    }
    const text = new Uint32Array(words).join();
    if (slice.words !== text) this.#device.queue.writeBuffer(slice.buffer, 0, words);
    slice.words = text;
    return slice.buffer;
  }
}

/** Stands for no buffer as a key of a map. */
const NO_BUFFER = {} as GPUBuffer;

/** Up to whole tiles. */
function tiled(tokens: number): number {
  return Math.ceil(tokens / TILE) * TILE;
}

function pipelinesOf(device: GPUDevice): Promise<Pipelines> {
  const known = compiled.get(device);
  if (known) return known;
  const code = shaderText('prompt-tiles') + shaderText('prompt-attention');
  const module = device.createShaderModule({ label: 'prompt-attention', code });
  const compile = (entryPoint: string) =>
    device.createComputePipelineAsync({ label: entryPoint, layout: 'auto', compute: { module, entryPoint } });
  const compiling = Promise.all([compile('score'), compile('weigh'), compile('mix')]).then(([score, weigh, mix]) => ({
    score,
    weigh,
    mix,
  }));
  compiled.set(device, compiling);
  compiling.catch(() => compiled.delete(device));
  return compiling;
}
