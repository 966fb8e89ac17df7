/**
 * GpuArithmetic: merging and measuring by WGSL kernels. One upload, one submit and one read-back per batch; the
 * batch's pieces differ only by an offset into one uniform buffer. It owns the buffer pool and the pipelines of
 * its device, not the device.
 */

import { BudgetFault } from '../bytes/fault.ts';
import { elementBytes, type BlendedDtype } from '../formats/dtype.ts';
import { Buffers, BUFFER_USAGE, wholeWords } from '../gpu/buffers.ts';
import { composeMeasure, composeMerge, kernelParameters, MERGE_LANES } from '../gpu/compose.ts';
import type { Device } from '../gpu/device.ts';
import { Pipelines } from '../gpu/pipelines.ts';
import { OFFSET_BYTES, Submission, type Dispatch } from '../gpu/submission.ts';
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
import { BLOCK_ELEMENTS } from './layout.ts';
import { liveBytesOf, LiveWeights, type LiveTensor } from './live-weights.ts';
import { quantityCount } from './statistics.ts';

const { STORAGE, COPY_SRC, COPY_DST } = BUFFER_USAGE;
const WORDS_USAGE = STORAGE | COPY_DST;
const RESULT_USAGE = STORAGE | COPY_SRC | COPY_DST;

/** Source bytes of a batch: large enough to hide the round trip, small enough to cancel within a second. */
const BATCH_BYTES = 16 * 2 ** 20;

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

/** Kernels on a device. */
export class GpuArithmetic implements Arithmetic {
  readonly place = 'gpu';
  readonly depth = 3;
  readonly batchBytes: number;
  readonly #device: GPUDevice;
  readonly #buffers: Buffers;
  readonly #pipelines: Pipelines;
  readonly #submission: Submission;

  /** @param batchBytes most source bytes of one batch; tests make it small to show that results do not depend on it. */
  constructor(device: Device, batchBytes = BATCH_BYTES) {
    this.#device = device.device;
    this.batchBytes = Math.min(batchBytes, device.bindingLimitBytes);
    this.#buffers = new Buffers(device.device);
    this.#pipelines = new Pipelines(device.device);
    this.#submission = new Submission(device.device, this.#buffers, this.#pipelines.bindGroupLayout);
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
        at += wholeWords(bytes.length);
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
    const whole = { buffer: result, offset: 0, size: result.size };
    try {
      const dispatches = await Promise.all(
        plan.map(async ({ piece, byRow, blocks, word }): Promise<Dispatch> => {
          const shape = own.pieces[piece] as PieceShape;
          const [base, ...models] = shape.dtypes as [BlendedDtype, ...BlendedDtype[]];
          const rowElements = byRow ? shape.rowElements : shape.tensorElements;
          return {
            pipeline: await this.#pipelines.get(
              'measure',
              shape.dtypes.join(),
              () => composeMeasure(base, models),
              'measure',
            ),
            elements: shape.elements,
            starts: own.starts[piece] ?? [],
            firstColumn: shape.start % rowElements,
            rowElements,
            rows: 1,
            numbers: [],
            outputWord: word,
            counter: 0,
            blocks,
            groups: blocks,
            result: whole,
          };
        }),
      );
      const read = await this.#submission.run(own.words, dispatches, { buffer: result, bytes: words * 4 }, 1);
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
      at += wholeWords(bytes);
      return place;
    });
    const result = this.#buffers.take(at, RESULT_USAGE);
    const whole = { buffer: result, offset: 0, size: result.size };
    try {
      const dispatches = await Promise.all(
        work.map((item, n) => this.#mergeDispatch(own, method, item, n, 'packed', (places[n]?.offset ?? 0) / 4, whole)),
      );
      const read = await this.#submission.run(own.words, dispatches, { buffer: result, bytes: at }, work.length);
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
        const offset = start - (start % OFFSET_BYTES);
        const size = start - offset + shape.elements * 4;
        return this.#mergeDispatch(own, method, item, n, 'float32', (start - offset) / 4, {
          buffer: target.buffer,
          offset,
          size,
        });
      }),
    );
    const read = await this.#submission.run(own.words, dispatches, null, work.length);
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
    const compose = () =>
      composeMerge({
        method,
        base: hasBase ? (shape.dtypes[0] ?? null) : null,
        models: hasBase ? shape.dtypes.slice(1) : shape.dtypes,
        out: item.out,
        storage,
      });
    const variant = `${shape.dtypes.join()} ${item.out} ${storage}`;
    const { rows, values } = coefficientsOf(shape, item.weights);
    const threads = storage === 'packed' && item.out !== 'F32' ? Math.ceil(shape.elements / 2) : shape.elements;
    return {
      pipeline: await this.#pipelines.get(method.name, variant, compose, 'main'),
      elements: shape.elements,
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
        buffer: this.#device.createBuffer({ label: name, size, usage: RESULT_USAGE }),
        shape,
        elements,
      });
    }
  }

  trim(): void {
    this.#buffers.trim();
  }

  dispose(): void {
    this.trim();
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
