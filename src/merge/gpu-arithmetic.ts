/**
 * GpuArithmetic: merging and measuring by WGSL kernels. One upload, one submit and one read-back per batch; the
 * batch's pieces differ only by an offset into one uniform buffer. It owns the buffer pool and the pipelines of
 * its device, not the device.
 */

import { BudgetFault, DeviceFault } from '../bytes/fault.ts';
import { elementBytes, type BlendedDtype } from '../formats/dtype.ts';
import { Buffers } from '../gpu/buffers.ts';
import { composeMeasure, composeMerge, kernelParameters, MERGE_LANES, PIECE_BYTES, UNSET } from '../gpu/compose.ts';
import type { Device } from '../gpu/device.ts';
import { Pipelines } from '../gpu/pipelines.ts';
import type { Method } from '../methods/method.ts';
import {
  blockCount,
  coefficientsOf,
  type Arithmetic,
  type LoadedBatch,
  type LoadedPiece,
  type MeasuredPiece,
  type MergedPiece,
  type PieceShape,
  type PieceWork,
} from './arithmetic.ts';
import { aligned, BLOCK_ELEMENTS } from './layout.ts';
import { liveBytesOf, LiveWeights, type LiveTensor } from './live-weights.ts';
import { quantityCount } from './statistics.ts';

/** WebGPU's usage flags by value: the namespace does not exist in Node before Dawn is loaded. */
const USAGE = { MAP_READ: 1, COPY_SRC: 4, COPY_DST: 8, UNIFORM: 64, STORAGE: 128 } as const;

const WORDS_USAGE = USAGE.STORAGE | USAGE.COPY_DST;
const RESULT_USAGE = USAGE.STORAGE | USAGE.COPY_SRC | USAGE.COPY_DST;
const STAGING_USAGE = USAGE.MAP_READ | USAGE.COPY_DST;
const LIVE_USAGE = USAGE.STORAGE | USAGE.COPY_SRC | USAGE.COPY_DST;

/** Source bytes of a batch: large enough to hide the round trip, small enough to cancel within a second. */
const BATCH_BYTES = 16 * 2 ** 20;

/** Offsets of uniforms and of bound ranges must be multiples of these; both are 256 on every device by default. */
const UNIFORM_STRIDE_BYTES = 256;

/** Most workgroups in one dimension of a dispatch. */
const MOST_GROUPS = 65535;

/** The exact factor by which measure.wgsl scales deltas. */
const DELTA_SCALE = 2 ** 20;

class GpuBatch implements LoadedBatch {
  readonly pieces: readonly PieceShape[];
  readonly bytes: number;
  readonly words: GPUBuffer;
  /** First word of every source of every piece. */
  readonly starts: readonly (readonly number[])[];
  readonly #buffers: Buffers;
  #isReleased = false;

  constructor(
    pieces: readonly PieceShape[],
    starts: readonly (readonly number[])[],
    words: GPUBuffer,
    buffers: Buffers,
  ) {
    this.pieces = pieces;
    this.starts = starts;
    this.words = words;
    this.bytes = words.size;
    this.#buffers = buffers;
  }

  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#buffers.give(this.words);
  }
}

/** One dispatch of a batch, before it is encoded. */
interface Dispatch {
  readonly pipeline: GPUComputePipeline;
  readonly shape: PieceShape;
  readonly starts: readonly number[];
  readonly firstColumn: number;
  readonly rowElements: number;
  readonly rows: number;
  readonly numbers: readonly number[] | Float64Array;
  readonly outputWord: number;
  readonly counter: number;
  readonly blocks: number;
  readonly groups: number;
  readonly result: { readonly buffer: GPUBuffer; readonly offset: number; readonly size: number };
}

/** Kernels on a device. */
export class GpuArithmetic implements Arithmetic {
  readonly place = 'gpu';
  readonly depth = 3;
  readonly batchBytes: number;
  readonly #device: GPUDevice;
  readonly #bindingLimitBytes: number;
  readonly #buffers: Buffers;
  readonly #pipelines: Pipelines;

  /** @param batchBytes most source bytes of one batch; tests make it small to show that results do not depend on it. */
  constructor(device: Device, batchBytes = BATCH_BYTES) {
    this.#device = device.device;
    this.#bindingLimitBytes = device.bindingLimitBytes;
    this.batchBytes = Math.min(batchBytes, device.bindingLimitBytes);
    this.#buffers = new Buffers(device.device);
    this.#pipelines = new Pipelines(device.device);
  }

  /** Bytes of pooled GPU memory, live weights not counted. */
  get heldBytes(): number {
    return this.#buffers.heldBytes;
  }

  /** Bytes of pooled GPU memory in use. */
  get usedBytes(): number {
    return this.#buffers.usedBytes;
  }

  async load(pieces: readonly LoadedPiece[]): Promise<GpuBatch> {
    let at = 0;
    const starts = pieces.map((piece) =>
      piece.bytes.map((bytes) => {
        const start = at;
        at += aligned(bytes.length);
        return start / 4;
      }),
    );
    const words = this.#buffers.take(at, WORDS_USAGE);
    pieces.forEach((piece, p) => {
      piece.bytes.forEach((bytes, s) => this.#upload(words, (starts[p]?.[s] ?? 0) * 4, bytes));
    });
    const shapes = pieces.map(({ bytes: _, ...shape }) => shape);
    return new GpuBatch(shapes, starts, words, this.#buffers);
  }

  /** writeBuffer takes whole words: the odd half word at the end of a 16-bit tensor is padded. */
  #upload(buffer: GPUBuffer, offset: number, bytes: Uint8Array<ArrayBuffer>): void {
    const whole = bytes.length - (bytes.length % 4);
    if (whole > 0) this.#device.queue.writeBuffer(buffer, offset, bytes, 0, whole);
    if (whole < bytes.length) {
      const tail = new Uint8Array(4);
      tail.set(bytes.subarray(whole));
      this.#device.queue.writeBuffer(buffer, offset + whole, tail);
    }
  }

  async measure(batch: LoadedBatch, kind: { plain: boolean; byRow: boolean }): Promise<MeasuredPiece[]> {
    const own = batch as GpuBatch;
    const plan: { piece: number; byRow: boolean; blocks: number; word: number; models: number }[] = [];
    let words = 0;
    own.pieces.forEach((shape, piece) => {
      const models = shape.dtypes.length - 1;
      for (const byRow of [false, true]) {
        if (byRow ? !kind.byRow : !kind.plain) continue;
        const blocks = blockCount(shape, byRow ? shape.rowElements : shape.tensorElements, BLOCK_ELEMENTS);
        plan.push({ piece, byRow, blocks, word: words, models });
        words += blocks * quantityCount(models);
      }
    });
    const result = this.#buffers.take(words * 4, RESULT_USAGE);
    try {
      const dispatches = await Promise.all(
        plan.map(async ({ piece, byRow, blocks, word }): Promise<Dispatch> => {
          const shape = own.pieces[piece] as PieceShape;
          const [base, ...models] = shape.dtypes as [BlendedDtype, ...BlendedDtype[]];
          const rowElements = byRow ? shape.rowElements : shape.tensorElements;
          return {
            pipeline: await this.#pipelines.get('measure', composeMeasure(base, models), 'measure'),
            shape,
            starts: own.starts[piece] ?? [],
            firstColumn: shape.start % rowElements,
            rowElements,
            rows: 1,
            numbers: [],
            outputWord: word,
            counter: 0,
            blocks,
            groups: blocks,
            result: { buffer: result, offset: 0, size: result.size },
          };
        }),
      );
      const read = await this.#run(own, dispatches, { buffer: result, bytes: words * 4 }, 1);
      const floats = new Float32Array(read.bytes.buffer, read.bytes.byteOffset, words);
      const out: { plain: Float64Array | null; byRow: Float64Array | null }[] = own.pieces.map(() => ({
        plain: null,
        byRow: null,
      }));
      for (const { piece, byRow, blocks, word, models } of plan) {
        const values = unscaled(floats.subarray(word, word + blocks * quantityCount(models)), models);
        const at = out[piece];
        if (at) at[byRow ? 'byRow' : 'plain'] = values;
      }
      return out;
    } finally {
      this.#buffers.give(result);
    }
  }

  async merge(batch: LoadedBatch, method: Method, work: readonly PieceWork[]): Promise<MergedPiece[]> {
    const own = batch as GpuBatch;
    let at = 0;
    const places = work.map(({ piece, out }) => {
      const bytes = (own.pieces[piece]?.elements ?? 0) * elementBytes(out);
      const place = { offset: at, bytes };
      at += aligned(bytes);
      return place;
    });
    const result = this.#buffers.take(at, RESULT_USAGE);
    try {
      const dispatches = await Promise.all(
        work.map((item, n) =>
          this.#mergeDispatch(own, method, item, n, 'packed', (places[n]?.offset ?? 0) / 4, {
            buffer: result,
            offset: 0,
            size: result.size,
          }),
        ),
      );
      const read = await this.#run(own, dispatches, { buffer: result, bytes: at }, work.length);
      return places.map(({ offset, bytes }, n) => ({
        bytes: read.bytes.slice(offset, offset + bytes),
        faulty: read.faulty[n] ?? 0,
      }));
    } finally {
      this.#buffers.give(result);
    }
  }

  async mergeInto(
    batch: LoadedBatch,
    method: Method,
    work: readonly PieceWork[],
    live: LiveWeights,
  ): Promise<number[]> {
    const own = batch as GpuBatch;
    const dispatches = await Promise.all(
      work.map((item, n) => {
        const shape = own.pieces[item.piece] as PieceShape;
        const target = live.tensors.get(shape.tensor);
        if (target?.kind !== 'gpu') throw new Error(`no live buffer for ${shape.tensor}`);
        // Bound is only the range that the piece writes: a tensor may be larger than one binding.
        const start = shape.start * 4;
        const offset = start - (start % UNIFORM_STRIDE_BYTES);
        const size = start - offset + shape.elements * 4;
        return this.#mergeDispatch(own, method, item, n, 'float32', (start - offset) / 4, {
          buffer: target.buffer,
          offset,
          size,
        });
      }),
    );
    const read = await this.#run(own, dispatches, null, work.length);
    return Array.from(read.faulty);
  }

  async #mergeDispatch(
    batch: GpuBatch,
    method: Method,
    item: PieceWork,
    counter: number,
    storage: 'packed' | 'float32',
    outputWord: number,
    result: Dispatch['result'],
  ): Promise<Dispatch> {
    const shape = batch.pieces[item.piece] as PieceShape;
    const hasBase = method.base === 'required';
    const code = composeMerge({
      method,
      base: hasBase ? (shape.dtypes[0] ?? null) : null,
      models: hasBase ? shape.dtypes.slice(1) : shape.dtypes,
      out: item.out,
      storage,
    });
    const { rows, values } = coefficientsOf(shape, item.weights);
    const threads = storage === 'packed' && item.out !== 'F32' ? Math.ceil(shape.elements / 2) : shape.elements;
    return {
      pipeline: await this.#pipelines.get(method.name, code, 'main'),
      shape,
      starts: batch.starts[item.piece] ?? [],
      firstColumn: shape.start % shape.rowElements,
      rowElements: shape.rowElements,
      rows,
      numbers: [
        ...kernelParameters(method.params).map((name) => item.weights.params[name] ?? Number.NaN),
        ...kernelParameters(method.perModel).flatMap((name) => item.weights.perModel.map((v) => v[name] ?? Number.NaN)),
        ...values,
      ],
      outputWord,
      counter,
      blocks: 0,
      groups: Math.ceil(threads / MERGE_LANES),
      result,
    };
  }

  /** Encodes the dispatches, submits once, and reads back the result (where wanted) and the fault counters. */
  async #run(
    batch: GpuBatch,
    dispatches: readonly Dispatch[],
    wanted: { buffer: GPUBuffer; bytes: number } | null,
    counters: number,
  ): Promise<{ bytes: Uint8Array<ArrayBuffer>; faulty: Uint32Array }> {
    const device = this.#device;
    const numberCount = dispatches.reduce((sum, d) => sum + d.numbers.length, 0);
    const numbers = this.#buffers.take(Math.max(4, numberCount * 4), WORDS_USAGE);
    const pieces = this.#buffers.take(dispatches.length * UNIFORM_STRIDE_BYTES, USAGE.UNIFORM | USAGE.COPY_DST);
    const faulty = this.#buffers.take(counters * 4, RESULT_USAGE);
    const resultBytes = wanted ? aligned(wanted.bytes) : 0;
    const staging = this.#buffers.take(resultBytes + counters * 4, STAGING_USAGE);
    const taken = [numbers, pieces, faulty, staging];
    try {
      const numberData = new Float32Array(numberCount);
      const pieceData = new Uint32Array((dispatches.length * UNIFORM_STRIDE_BYTES) / 4);
      let firstNumber = 0;
      dispatches.forEach((d, n) => {
        pieceData.set(
          [
            d.shape.elements,
            d.firstColumn,
            d.rowElements,
            d.rows,
            firstNumber,
            d.outputWord,
            d.counter,
            d.blocks,
            ...d.starts,
          ],
          (n * UNIFORM_STRIDE_BYTES) / 4,
        );
        for (let i = 0; i < d.numbers.length; i++) {
          const value = d.numbers[i] ?? Number.NaN;
          numberData[firstNumber + i] = Number.isNaN(value) ? UNSET : value;
        }
        firstNumber += d.numbers.length;
      });
      if (numberCount > 0) device.queue.writeBuffer(numbers, 0, numberData);
      device.queue.writeBuffer(pieces, 0, pieceData);

      device.pushErrorScope('validation');
      const encoder = device.createCommandEncoder();
      encoder.clearBuffer(faulty, 0, counters * 4);
      const pass = encoder.beginComputePass();
      const groupsBound = new Map<string, GPUBindGroup>();
      dispatches.forEach((d, n) => {
        const key = `${d.shape.tensor}:${d.result.offset}:${d.result.size}`;
        const bound =
          groupsBound.get(wanted ? '' : key) ??
          device.createBindGroup({
            layout: this.#pipelines.bindGroupLayout,
            entries: [
              { binding: 0, resource: { buffer: batch.words } },
              { binding: 1, resource: { buffer: numbers } },
              { binding: 2, resource: d.result },
              { binding: 3, resource: { buffer: faulty } },
              { binding: 4, resource: { buffer: pieces, size: PIECE_BYTES } },
            ],
          });
        groupsBound.set(wanted ? '' : key, bound);
        pass.setPipeline(d.pipeline);
        pass.setBindGroup(0, bound, [n * UNIFORM_STRIDE_BYTES]);
        const x = Math.min(d.groups, MOST_GROUPS);
        pass.dispatchWorkgroups(x, Math.ceil(d.groups / x));
      });
      pass.end();
      if (wanted) encoder.copyBufferToBuffer(wanted.buffer, 0, staging, 0, resultBytes);
      encoder.copyBufferToBuffer(faulty, 0, staging, resultBytes, counters * 4);
      device.queue.submit([encoder.finish()]);
      const refusal = device.popErrorScope();

      await staging.mapAsync(1 /* GPUMapMode.READ */, 0, resultBytes + counters * 4).catch((error: unknown) => {
        throw new DeviceFault(
          `The graphics device stopped during the work: ${error instanceof Error ? error.message : String(error)}`,
        );
      });
      const refused = await refusal;
      if (refused) throw new DeviceFault(`The graphics device refused the work: ${refused.message}`);
      const mapped = staging.getMappedRange(0, resultBytes + counters * 4);
      const bytes = new Uint8Array(mapped.slice(0, wanted?.bytes ?? 0));
      const counted = new Uint32Array(mapped.slice(resultBytes));
      staging.unmap();
      return { bytes, faulty: counted };
    } finally {
      for (const buffer of taken) this.#buffers.give(buffer);
    }
  }

  async allocate(
    tensors: readonly { name: string; shape: readonly number[]; elements: number }[],
  ): Promise<LiveWeights> {
    const live = new Map<string, LiveTensor>();
    const release = () => {
      for (const tensor of live.values()) if (tensor.kind === 'gpu') tensor.buffer.destroy();
    };
    this.#device.pushErrorScope('out-of-memory');
    let refusal: unknown = null;
    try {
      this.#allocateAll(tensors, live);
    } catch (error) {
      refusal = error;
    }
    const exhausted = await this.#device.popErrorScope();
    if (refusal !== null) {
      release();
      throw refusal;
    }
    if (exhausted) {
      release();
      throw new BudgetFault(
        `The graphics device has no room for the ${liveBytesOf(tensors)} bytes that chat needs; close other tabs or lower the memory budget. The merge can still be saved.`,
      );
    }
    return new LiveWeights(live, this.#device);
  }

  #allocateAll(
    tensors: readonly { name: string; shape: readonly number[]; elements: number }[],
    live: Map<string, LiveTensor>,
  ): void {
    for (const { name, shape, elements } of tensors) {
      const size = Math.max(4, elements * 4);
      if (size > this.#device.limits.maxBufferSize) {
        throw new BudgetFault(
          `${name} takes ${size} bytes for chat, but this graphics device allows ${this.#device.limits.maxBufferSize} in one buffer; the merge can still be saved.`,
          { tensors: [name] },
        );
      }
      live.set(name, {
        kind: 'gpu',
        buffer: this.#device.createBuffer({ label: name, size, usage: LIVE_USAGE }),
        shape,
        elements,
      });
    }
  }

  /** Largest piece that may be bound, in bytes. */
  get bindingLimitBytes(): number {
    return this.#bindingLimitBytes;
  }

  /** Gives back memory that is not in use. */
  dispose(): void {
    this.#buffers.trim();
  }
}

/** Takes the kernel's factor out of its partial sums: squares carry it twice, counts not at all. */
function unscaled(values: Float32Array, models: number): Float64Array {
  const pairs = (models * (models + 1)) / 2;
  const quantities = quantityCount(models);
  return Float64Array.from(values, (value, i) => {
    const q = i % quantities;
    if (q < pairs) return value / (DELTA_SCALE * DELTA_SCALE);
    return q < pairs + 2 * models ? value / DELTA_SCALE : value;
  });
}
