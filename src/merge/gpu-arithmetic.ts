/**
 * GpuArithmetic: merging, measuring and selecting by WGSL kernels. One upload per batch; one submission and one
 * read-back per question, or a few where the answer is larger than the device lets one buffer be. It owns the buffer
 * pool of its device, not the device, and shares the compiled kernels. The work itself is `gpu/`'s.
 */

import { Batch } from '../gpu/batch.ts';
import type { Device } from '../gpu/device.ts';
import { mergePieces, mergePiecesInto } from '../gpu/merging.ts';
import { measurePieces, sumPieces } from '../gpu/reducing.ts';
import { countDigits, countEquals, listKeys } from '../gpu/selecting.ts';
import { Workspace } from '../gpu/workspace.ts';
import type { LoadedPiece, MeasuredPiece, MeasureKind } from '../methods/kernel.ts';
import type { Method, SelectPass, SumPass } from '../methods/method.ts';
import type { Arithmetic, DigitQuery, LoadedBatch, MergedPiece, MergeWork, PieceWork } from './arithmetic.ts';
import { allocateLive } from './gpu-live.ts';
import type { LiveWeights, LiveWish } from './live-weights.ts';

/** Source bytes of a batch: large enough to hide the round trip, small enough to cancel within a second. */
const BATCH_BYTES = 16 * 2 ** 20;

function onDevice(batch: LoadedBatch): Batch {
  if (!(batch instanceof Batch)) throw new Error('the batch was loaded elsewhere');
  return batch;
}

/** Kernels on a device. Every method that computes throws DeviceFault where the device refuses or is lost. */
export class GpuArithmetic implements Arithmetic {
  readonly place = 'gpu';
  /** Counting in workgroup memory is cheap; collecting would need an order among threads. */
  readonly windows = null;
  readonly depth = 3;
  readonly batchBytes: number;
  readonly #space: Workspace;

  /**
   * @param batchBytes most source bytes of one batch; tests make it small to show that results do not depend on it.
   * @param resultBytes most bytes of one result; tests make it small to have answers cut.
   */
  constructor(device: Device, batchBytes = BATCH_BYTES, resultBytes = device.bindingLimitBytes) {
    this.batchBytes = Math.min(batchBytes, device.bindingLimitBytes);
    this.#space = new Workspace(device, resultBytes);
  }

  /** Bytes of pooled GPU memory, live weights not counted. */
  get heldBytes(): number {
    return this.#space.buffers.heldBytes;
  }

  /** Bytes of pooled GPU memory in use. */
  get usedBytes(): number {
    return this.#space.buffers.usedBytes;
  }

  /** Throws BudgetFault where a batch is larger than the device can bind. */
  async load(pieces: readonly LoadedPiece[]): Promise<Batch> {
    return Batch.load(this.#space.device, this.#space.buffers, pieces);
  }

  select(batch: LoadedBatch, sources: readonly (readonly number[])[]): Batch {
    return onDevice(batch).select(sources);
  }

  measure(batch: LoadedBatch, pieces: readonly number[], kind: MeasureKind): Promise<MeasuredPiece[]> {
    return measurePieces(this.#space, onDevice(batch), pieces, kind);
  }

  sums(batch: LoadedBatch, method: Method, pass: SumPass, work: readonly PieceWork[]): Promise<Float64Array[]> {
    return sumPieces(this.#space, onDevice(batch), method, pass, work);
  }

  histogram(
    batch: LoadedBatch,
    method: Method,
    pass: SelectPass,
    work: readonly (PieceWork & { readonly queries: readonly DigitQuery[] })[],
    digit: { readonly shift: number; readonly width: number },
  ): Promise<Uint32Array[]> {
    return countDigits(this.#space, { batch: onDevice(batch), method, pass }, work, digit);
  }

  countEqual(
    batch: LoadedBatch,
    method: Method,
    pass: SelectPass,
    work: readonly (PieceWork & { readonly queries: readonly { readonly key: number; readonly bits: number }[] })[],
  ): Promise<Uint32Array[]> {
    return countEquals(this.#space, { batch: onDevice(batch), method, pass }, work);
  }

  keys(
    batch: LoadedBatch,
    method: Method,
    pass: SelectPass,
    work: PieceWork & { readonly key: number; readonly from: number; readonly to: number },
  ): Promise<Uint32Array> {
    return listKeys(this.#space, { batch: onDevice(batch), method, pass }, work);
  }

  merge(
    batch: LoadedBatch,
    method: Method,
    work: readonly MergeWork[],
    options: { readonly isAudited: boolean } = { isAudited: false },
  ): Promise<MergedPiece[]> {
    return mergePieces(this.#space, onDevice(batch), method, work, options.isAudited);
  }

  async mergeInto(
    batch: LoadedBatch,
    method: Method,
    work: readonly MergeWork[],
    live: LiveWeights,
  ): Promise<number[]> {
    return mergePiecesInto(this.#space, onDevice(batch), method, work, (tensor) => {
      const target = live.tensors.get(tensor);
      if (target?.kind !== 'gpu') throw new Error(`no live buffer for ${tensor}`);
      return target;
    });
  }

  allocate(tensors: readonly LiveWish[]): Promise<LiveWeights> {
    return allocateLive(this.#space.device, tensors);
  }

  trim(): void {
    this.#space.buffers.trim();
  }

  dispose(): void {
    this.trim();
  }
}
