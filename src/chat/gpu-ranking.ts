/**
 * GpuRanking: what shaders/sample.wgsl finds out about rows of logits on their device, brought to the CPU in one map.
 * What it means for a choice is `sampler.ts`.
 */

import { DeviceFault } from '../bytes/fault.ts';
import { BUFFER_USAGE } from '../gpu/buffers.ts';
import { shaderText } from '../methods/index.ts';
import { RANKS } from './sampling.ts';
import type { LogitsRows } from './session.ts';

export type GpuLogits = Extract<LogitsRows, { kind: 'gpu' }>;

/** The same numbers stand in sample.wgsl. */
const SLICE_WORDS = 4 + 2 * RANKS;
const ROW_WORDS = 8 + 2 * RANKS;
const SCORE_WORDS = 4;

/** Tokens that one workgroup looks at. */
const SLICE_TOKENS = 4096;

/** Where bindings may begin, on any device. */
const OFFSET_BYTES = 256;

/** Rows that are scored at once: within what any device dispatches. */
const MOST_ROWS = 1024;

const { MAP_READ, COPY_SRC, COPY_DST, UNIFORM, STORAGE } = BUFFER_USAGE;

/** GPUMapMode.READ. */
const MAP_MODE_READ = 1;

/** One view of a row: raw, or with the repetition penalty. */
export interface RowView {
  readonly hasNaN: boolean;
  readonly hasInfinity: boolean;
  /** False for a row of minus infinity. */
  readonly hasAny: boolean;
  /** Of the finite logits. */
  readonly largest: number;
  /** Sums in float32 of exp(logit - largest), and of exp((logit - largest) / temperature). */
  readonly mass: number;
  readonly massAtTemperature: number;
  /** The first RANKS tokens by the view's logits, equal ones by index, with their raw logits. */
  readonly tokens: Uint32Array;
  readonly logits: Float32Array;
  /** The view's logit of the last of them, as the device computed it. */
  readonly last: number;
}

/** What a row is looked at with. */
export interface RankingOptions {
  readonly temperature: number;
  /** 1 is off: there is one view then. */
  readonly repetitionPenalty: number;
  readonly seen: Iterable<number>;
}

/** The pipelines of a device. */
interface Pipelines {
  readonly slices: GPUComputePipeline;
  readonly row: GPUComputePipeline;
  readonly scores: GPUComputePipeline;
}

const compiled = new WeakMap<GPUDevice, Promise<Pipelines>>();

/** Compiles what a device will need; the second call gives the same. Throws DeviceFault where it refuses. */
function pipelinesOf(device: GPUDevice): Promise<Pipelines> {
  const known = compiled.get(device);
  if (known) return known;
  const module = device.createShaderModule({ label: 'sample', code: shaderText('sample') });
  const compile = (entryPoint: string) =>
    device.createComputePipelineAsync({ label: entryPoint, layout: 'auto', compute: { module, entryPoint } });
  const compiling = Promise.all([compile('rank_slices'), compile('rank_row'), compile('score_rows')]).then(
    ([slices, row, scores]) => ({ slices, row, scores }),
    (cause: unknown) => {
      compiled.delete(device);
      throw new DeviceFault(`The graphics driver refuses the kernel sample: ${String(cause)}`, { kernel: 'sample' });
    },
  );
  compiled.set(device, compiling);
  return compiling;
}

/** Looks at rows on one device; one call at a time. */
export class GpuRanking {
  readonly #device: GPUDevice;
  readonly #pipelines: Pipelines;
  readonly #buffers = new Map<string, GPUBuffer>();
  #bytesRead = 0;
  /** What the uniform holds. */
  #written = '';
  /** The last bindings of each pipeline: from token to token they are mostly the same. */
  readonly #bound = new Map<GPUComputePipeline, { readonly entries: readonly Entry[]; readonly group: GPUBindGroup }>();

  private constructor(device: GPUDevice, pipelines: Pipelines) {
    this.#device = device;
    this.#pipelines = pipelines;
  }

  /** Throws DeviceFault where the device refuses the kernels. */
  static async open(device: GPUDevice): Promise<GpuRanking> {
    return new GpuRanking(device, await pipelinesOf(device));
  }

  /** Bytes brought to the CPU so far. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  /**
   * Looks at one row: its raw logits and, where the repetition penalty is on, those with it.
   * @throws DeviceFault where the device is lost.
   */
  async rank(
    logits: GpuLogits,
    row: number,
    options: RankingOptions,
  ): Promise<readonly [raw: RowView, penalised: RowView]> {
    const { vocabularySize: tokens } = logits;
    const hasPenalty = options.repetitionPenalty !== 1;
    const views = hasPenalty ? 2 : 1;
    const slices = Math.ceil(tokens / SLICE_TOKENS);
    const { first, resource } = this.#window(logits, row, 1);
    const job = this.#job(first, tokens, slices, options);
    const seen = this.#seen(hasPenalty ? tokens : 0, options.seen);
    const kept = this.#buffer('kept', views * slices * SLICE_WORDS * 4, STORAGE);
    const found = this.#buffer('found', views * ROW_WORDS * 4, STORAGE | COPY_SRC);

    const encoder = this.#device.createCommandEncoder({ label: 'rank' });
    const pass = encoder.beginComputePass();
    const shared = [resource, { buffer: seen }, { buffer: kept }];
    this.#dispatch(pass, this.#pipelines.slices, [...shared, null, { buffer: job }], slices, views);
    this.#dispatch(pass, this.#pipelines.row, [...shared, { buffer: found }, { buffer: job }], views, 1);
    pass.end();
    const words = await this.#read(encoder, found, 0, views * ROW_WORDS * 4);
    const raw = readView(words, 0);
    return [raw, hasPenalty ? readView(words, ROW_WORDS) : raw];
  }

  /**
   * The logits of one row, all of them.
   * @throws DeviceFault where the device is lost.
   */
  async row({ buffer, vocabularySize }: GpuLogits, row: number): Promise<Float32Array> {
    const encoder = this.#device.createCommandEncoder({ label: 'row' });
    const words = await this.#read(encoder, buffer, row * vocabularySize * 4, vocabularySize * 4);
    return new Float32Array(words.buffer);
  }

  /**
   * Natural log-probabilities of one token for each row.
   * @returns per row, NaN where the row has NaN or infinity or nothing else than minus infinity.
   * @throws DeviceFault where the device is lost.
   */
  async score(logits: GpuLogits, targets: readonly number[]): Promise<number[]> {
    const { vocabularySize: tokens } = logits;
    const limit = this.#device.limits.maxStorageBufferBindingSize - OFFSET_BYTES;
    const most = Math.max(1, Math.min(MOST_ROWS, Math.floor(limit / (tokens * 4))));
    const scores: number[] = [];
    for (let start = 0; start < targets.length; start += most) {
      const wanted = Uint32Array.from(targets.slice(start, start + most));
      const { first, resource } = this.#window(logits, start, wanted.length);
      const job = this.#job(first, tokens, 0, { temperature: 1, repetitionPenalty: 1, seen: [] });
      const target = this.#buffer('targets', wanted.byteLength, STORAGE | COPY_DST);
      this.#device.queue.writeBuffer(target, 0, wanted);
      const bytes = wanted.length * SCORE_WORDS * 4;
      const found = this.#buffer('scores', bytes, STORAGE | COPY_SRC);
      const encoder = this.#device.createCommandEncoder({ label: 'score' });
      const pass = encoder.beginComputePass();
      const bound = [resource, null, null, { buffer: found }, { buffer: job }, { buffer: target }];
      this.#dispatch(pass, this.#pipelines.scores, bound, wanted.length, 1);
      pass.end();
      const words = await this.#read(encoder, found, 0, bytes);
      const floats = new Float32Array(words.buffer);
      for (let row = 0; row < wanted.length; row++) {
        const [flags = 0, , , bits = 0] = words.subarray(row * SCORE_WORDS, (row + 1) * SCORE_WORDS);
        const [, largest = 0, mass = 1, logit = 0] = floats.subarray(row * SCORE_WORDS, (row + 1) * SCORE_WORDS);
        const isSound = flags === FLAGS.any;
        scores.push(
          isSound
            ? bits === MINUS_INFINITY
              ? Number.NEGATIVE_INFINITY
              : logit - largest - Math.log(mass)
            : Number.NaN,
        );
      }
    }
    return scores;
  }

  /** Frees what it made. Safe to call twice. */
  dispose(): void {
    for (const buffer of this.#buffers.values()) buffer.destroy();
    this.#buffers.clear();
    this.#bound.clear();
  }

  /** A binding of some rows, and the word of it at which they begin. */
  #window({ buffer, vocabularySize }: GpuLogits, row: number, rows: number) {
    const start = row * vocabularySize * 4;
    const offset = Math.floor(start / OFFSET_BYTES) * OFFSET_BYTES;
    const size = start + rows * vocabularySize * 4 - offset;
    return { first: (start - offset) / 4, resource: { buffer, offset, size } };
  }

  #job(first: number, tokens: number, slices: number, { temperature, repetitionPenalty }: RankingOptions): GPUBuffer {
    const words = new ArrayBuffer(32);
    new Uint32Array(words).set([first, tokens, SLICE_TOKENS, slices]);
    new Float32Array(words).set([1 / repetitionPenalty, repetitionPenalty, 1 / temperature, -60 * temperature], 4);
    const job = this.#buffer('job', words.byteLength, UNIFORM | COPY_DST);
    const text = new Uint32Array(words).join();
    if (this.#written !== text) this.#device.queue.writeBuffer(job, 0, words);
    this.#written = text;
    return job;
  }

  /** One bit per token that was seen. */
  #seen(tokens: number, ids: Iterable<number>): GPUBuffer {
    const bits = new Uint32Array(Math.max(4, Math.ceil(tokens / 32)));
    const buffer = this.#buffer('seen', bits.byteLength, STORAGE | COPY_DST);
    if (tokens === 0) return buffer;
    for (const id of ids) if (id < tokens) bits[id >>> 5] = (bits[id >>> 5] ?? 0) | (1 << (id & 31));
    this.#device.queue.writeBuffer(buffer, 0, bits);
    return buffer;
  }

  /** A buffer of its own for each use, made anew where it must grow. */
  #buffer(use: string, bytes: number, usage: number): GPUBuffer {
    const known = this.#buffers.get(use);
    if (known && known.size >= bytes) return known;
    known?.destroy();
    const buffer = this.#device.createBuffer({ label: `sample ${use}`, size: Math.ceil(bytes / 16) * 16, usage });
    this.#buffers.set(use, buffer);
    return buffer;
  }

  #dispatch(
    pass: GPUComputePassEncoder,
    pipeline: GPUComputePipeline,
    bound: readonly (GPUBufferBinding | null)[],
    x: number,
    y: number,
  ): void {
    const entries = bound.flatMap((resource, binding) => (resource === null ? [] : [{ binding, resource }]));
    let last = this.#bound.get(pipeline);
    if (!last || !entries.every((entry, index) => isSame(entry, last?.entries[index]))) {
      const group = this.#device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
      last = { entries, group };
      this.#bound.set(pipeline, last);
    }
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, last.group);
    pass.dispatchWorkgroups(x, y);
  }

  /** Submits everything with a copy of the result, and waits for it. */
  async #read(
    encoder: GPUCommandEncoder,
    source: GPUBuffer,
    offset: number,
    bytes: number,
  ): Promise<Uint32Array<ArrayBuffer>> {
    const staging = this.#buffer(bytes > 2 ** 16 ? 'row staging' : 'staging', bytes, MAP_READ | COPY_DST);
    encoder.copyBufferToBuffer(source, offset, staging, 0, bytes);
    this.#device.queue.submit([encoder.finish()]);
    try {
      await staging.mapAsync(MAP_MODE_READ, 0, bytes);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new DeviceFault(`The graphics device gave no token (${reason}); merge again to go on.`);
    }
    const words = new Uint32Array(staging.getMappedRange(0, bytes).slice(0));
    staging.unmap();
    this.#bytesRead += bytes;
    return words;
  }
}

interface Entry {
  readonly binding: number;
  readonly resource: GPUBufferBinding;
}

function isSame({ resource }: Entry, other: Entry | undefined): boolean {
  const { buffer, offset, size } = other?.resource ?? {};
  return resource.buffer === buffer && resource.offset === offset && resource.size === size;
}

/** The flags of sample.wgsl. */
const FLAGS = { nan: 1, infinity: 2, any: 4 };
const MINUS_INFINITY = 0xff800000;

function readView(words: Uint32Array<ArrayBuffer>, start: number): RowView {
  const floats = new Float32Array(words.buffer);
  const [flags = 0, , , , count = 0, lastKey = 0] = words.subarray(start, start + 6);
  const [, largest = 0, mass = 0, massAtTemperature = 0] = floats.subarray(start, start + 4);
  const ranks = Array.from({ length: count }, (_, rank) => start + 8 + 2 * rank);
  return {
    hasNaN: (flags & FLAGS.nan) !== 0,
    hasInfinity: (flags & FLAGS.infinity) !== 0,
    hasAny: (flags & FLAGS.any) !== 0,
    largest,
    mass,
    massAtTemperature,
    tokens: Uint32Array.from(ranks, (at) => words[at] ?? 0),
    logits: Float32Array.from(ranks, (at) => floats[at + 1] ?? 0),
    last: valueOfKey(lastKey),
  };
}

/** The value that sample.wgsl made an ordering key of. */
function valueOfKey(key: number): number {
  const bits = key >= 0x80000000 ? key - 0x80000000 : ~key >>> 0;
  return new Float32Array(Uint32Array.of(bits).buffer)[0] ?? Number.NaN;
}
