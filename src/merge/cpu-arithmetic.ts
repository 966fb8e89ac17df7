/**
 * CpuArithmetic: merging and measuring by the methods' float64 references, for machines without WebGPU. Work is
 * spread over workers that the caller knows how to start (a browser's or Node's); with none it runs in place.
 */

import { METHODS } from '../methods/index.ts';
import type { Method } from '../methods/method.ts';
import {
  coefficientsOf,
  type Arithmetic,
  type LoadedBatch,
  type LoadedPiece,
  type MeasuredPiece,
  type MergedPiece,
  type PieceWork,
} from './arithmetic.ts';
import { LiveWeights, type LiveTensor } from './live-weights.ts';
import { doReferenceWork, type MergeWork, type ReferenceResult, type ReferenceWork } from './reference-work.ts';

/** Source bytes of a batch: a worker's float64 copies are eight times a BF16 source. */
const BATCH_BYTES = 4 * 2 ** 20;

/** A worker that does reference work. */
export interface ReferenceWorker {
  run(work: ReferenceWork): Promise<ReferenceResult>;
  terminate(): void;
}

interface CpuBatch extends LoadedBatch {
  readonly pieces: readonly LoadedPiece[];
}

/** References on the CPU. */
export class CpuArithmetic implements Arithmetic {
  readonly place = 'cpu';
  readonly batchBytes: number;
  readonly depth: number;
  readonly #workers: readonly ReferenceWorker[];
  /** The last work given to each worker: a worker does one piece at a time. */
  readonly #busy: Promise<unknown>[];
  #next = 0;

  constructor(workers: readonly ReferenceWorker[] = [], batchBytes = BATCH_BYTES) {
    this.#workers = workers;
    this.#busy = workers.map(() => Promise.resolve());
    this.batchBytes = batchBytes;
    this.depth = Math.max(2, workers.length + 1);
  }

  #run(work: ReferenceWork): Promise<ReferenceResult> {
    const index = this.#next;
    const worker = this.#workers[index];
    if (!worker) return Promise.resolve().then(() => doReferenceWork(work));
    this.#next = (index + 1) % this.#workers.length;
    const result = (this.#busy[index] ?? Promise.resolve()).then(() => worker.run(work));
    this.#busy[index] = result.catch(() => undefined);
    return result;
  }

  async load(pieces: readonly LoadedPiece[]): Promise<CpuBatch> {
    const bytes = pieces.reduce((sum, piece) => sum + piece.bytes.reduce((s, b) => s + b.length, 0), 0);
    return { pieces, bytes, release: () => undefined };
  }

  measure(batch: LoadedBatch, kind: { plain: boolean; byRow: boolean }): Promise<MeasuredPiece[]> {
    const measureAt = async (piece: LoadedPiece, rowElements: number) => {
      const { bytes, ...shape } = piece;
      return (await this.#run({ kind: 'measure', shape, bytes, rowElements })).partials;
    };
    return Promise.all(
      (batch as CpuBatch).pieces.map(async (piece) => ({
        plain: kind.plain ? await measureAt(piece, piece.tensorElements) : null,
        byRow: kind.byRow ? await measureAt(piece, piece.rowElements) : null,
      })),
    );
  }

  merge(batch: LoadedBatch, method: Method, work: readonly PieceWork[]): Promise<MergedPiece[]> {
    return Promise.all(work.map((item) => this.#run(mergeWork(batch as CpuBatch, method, item, 'packed'))));
  }

  mergeInto(batch: LoadedBatch, method: Method, work: readonly PieceWork[], live: LiveWeights): Promise<number[]> {
    return Promise.all(
      work.map(async (item) => {
        const merging = mergeWork(batch as CpuBatch, method, item, 'float32');
        const result = await this.#run(merging);
        const target = live.tensors.get(merging.shape.tensor);
        if (target?.kind !== 'cpu') throw new Error(`no live array for ${merging.shape.tensor}`);
        target.data.set(result.values, merging.shape.start);
        return result.faulty;
      }),
    );
  }

  async allocate(
    tensors: readonly { name: string; shape: readonly number[]; elements: number }[],
  ): Promise<LiveWeights> {
    const live = new Map<string, LiveTensor>();
    for (const { name, shape, elements } of tensors) {
      live.set(name, { kind: 'cpu', data: new Float32Array(elements), shape, elements });
    }
    return new LiveWeights(live, null);
  }

  trim(): void {
    // Arrays are the garbage collector's.
  }

  dispose(): void {
    for (const worker of this.#workers) worker.terminate();
  }
}

function mergeWork(batch: CpuBatch, method: Method, item: PieceWork, storage: 'packed' | 'float32'): MergeWork {
  const piece = batch.pieces[item.piece];
  if (!piece || !METHODS.has(method.name)) throw new Error(`nothing to merge with ${method.name}`);
  const { bytes, ...shape } = piece;
  const { rows, values } = coefficientsOf(shape, item.weights);
  return {
    kind: 'merge',
    shape,
    bytes,
    method: method.name,
    params: item.weights.params,
    perModel: item.weights.perModel,
    coefficients: values,
    rows,
    out: item.out,
    storage,
  };
}
