/**
 * CpuArithmetic: merging and measuring on the CPU, by the methods' kernels compiled to WebAssembly. A batch is handed
 * to the thread that has least to do and stays there until it is let go; the threads are started by the caller, who
 * knows how a browser or Node does it. With none it computes in place. Not the computing (`cpu-worker.ts`).
 */

import { BudgetFault } from '../bytes/fault.ts';
import { spareBuffers } from '../bytes/spare-buffers.ts';
import {
  type KernelNumbers,
  type Lines,
  linesOf,
  type LoadedPiece,
  type MeasuredPiece,
  type MeasureKind,
  type PieceShape,
  selectShapes,
} from '../methods/kernel.ts';
import type { Method, SelectPass, SumPass } from '../methods/method.ts';
import type { Arithmetic, DigitQuery, LoadedBatch, MergedPiece, MergeWork, PieceWork, Windows } from './arithmetic.ts';
import { type CpuCall, CpuWorker, perform } from './cpu-worker.ts';
import { allPlain, liveBytesOf, type LiveTensor, LiveWeights, liveWishes, type LiveWish } from './live-weights.ts';

/** Source bytes of a batch: long enough to hide a message, short enough to keep many threads supplied. */
const BATCH_BYTES = 4 * 2 ** 20;

/** Batches under way beside those that are computed: being read, waiting for a thread, being written. */
const SPARE_BATCHES = 3;

/** A thread that holds one `CpuWorker`. */
export interface KernelThread {
  /**
   * Has the thread do one call, after all calls before it. Rejects where the thread dies.
   * @param transfer buffers in `args` that go over to the thread.
   */
  call<Call extends CpuCall>(
    call: Call,
    args: Parameters<CpuWorker[Call]>,
    transfer: ArrayBuffer[],
  ): Promise<ReturnType<CpuWorker[Call]>>;
  terminate(): void;
}

/** A thread and what it holds. */
interface Station {
  readonly thread: KernelThread;
  heldBytes: number;
}

class CpuBatch implements LoadedBatch {
  readonly id: number;
  readonly station: Station;
  readonly pieces: readonly PieceShape[];
  readonly bytes: number;
  /** Settles once the thread has it. */
  readonly loaded: Promise<void>;
  #isReleased = false;

  private constructor(
    id: number,
    station: Station,
    pieces: readonly PieceShape[],
    bytes: number,
    loaded: Promise<void>,
  ) {
    this.id = id;
    this.station = station;
    this.pieces = pieces;
    this.bytes = bytes;
    station.heldBytes += bytes;
    this.loaded = loaded;
    // Whoever uses the batch hears of it.
    this.loaded.catch(() => undefined);
  }

  /** Hands pieces to a thread. */
  static load(id: number, station: Station, pieces: readonly LoadedPiece[]): CpuBatch {
    const shapes = pieces.map(({ bytes: _, ...shape }) => shape);
    const bytes = pieces.reduce((sum, piece) => sum + piece.bytes.reduce((s, b) => s + b.byteLength, 0), 0);
    const buffers = new Set(pieces.flatMap((piece) => piece.bytes.map(({ buffer }) => buffer)));
    return new CpuBatch(id, station, shapes, bytes, station.thread.call('load', [id, pieces], [...buffers]));
  }

  /** Some sources of its pieces, at the same thread and over the same memory. */
  select(id: number, sources: readonly (readonly number[])[]): CpuBatch {
    const selected = this.station.thread.call('select', [id, this.id, sources], []);
    return new CpuBatch(id, this.station, selectShapes(this.pieces, sources), 0, selected);
  }

  /** One call on this batch. */
  async call<Call extends CpuCall>(
    call: Call,
    args: Parameters<CpuWorker[Call]>,
  ): Promise<ReturnType<CpuWorker[Call]>> {
    const result = this.station.thread.call(call, args, []);
    const [answer] = await Promise.all([result, this.loaded]);
    return answer;
  }

  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.station.heldBytes -= this.bytes;
    this.station.thread.call('release', [this.id], []).then(
      (buffers) => buffers.forEach((buffer) => spareBuffers.give(buffer)),
      // A thread that died took them along, and has told those who wait for results.
      () => undefined,
    );
  }
}

/** Kernels on the CPU. */
export class CpuArithmetic implements Arithmetic {
  readonly place = 'cpu';
  readonly batchBytes: number;
  readonly depth: number;
  readonly #stations: readonly Station[];
  #lastId = 0;

  /** @param batchBytes most source bytes of one batch; tests make it small to show that results do not depend on it. */
  constructor(threads: readonly KernelThread[] = [], batchBytes = BATCH_BYTES) {
    const own = threads.length > 0 ? threads : [inPlace()];
    this.#stations = own.map((thread) => ({ thread, heldBytes: 0 }));
    this.batchBytes = batchBytes;
    this.depth = threads.length > 0 ? threads.length + SPARE_BATCHES : 2;
  }

  async load(pieces: readonly LoadedPiece[]): Promise<LoadedBatch> {
    let least = this.#stations[0];
    for (const station of this.#stations) if (station.heldBytes < (least?.heldBytes ?? 0)) least = station;
    if (!least) throw new Error('no thread to load to');
    this.#lastId += 1;
    // Not awaited: a thread at work would answer only after its work.
    return CpuBatch.load(this.#lastId, least, pieces);
  }

  select(batch: LoadedBatch, sources: readonly (readonly number[])[]): LoadedBatch {
    this.#lastId += 1;
    return ownBatch(batch).select(this.#lastId, sources);
  }

  measure(batch: LoadedBatch, pieces: readonly number[], kind: MeasureKind): Promise<MeasuredPiece[]> {
    const { id, call } = ownBatch(batch);
    return call('measure', [id, pieces, kind]);
  }

  sums(batch: LoadedBatch, method: Method, pass: SumPass, work: readonly PieceWork[]): Promise<Float64Array[]> {
    const { id, call, local } = ownBatch(batch);
    return call('sums', [id, { method: method.name, pass: pass.name }, work.map(local)]);
  }

  histogram(
    batch: LoadedBatch,
    method: Method,
    pass: SelectPass,
    work: readonly (PieceWork & { readonly queries: readonly DigitQuery[] })[],
    digit: { readonly shift: number; readonly width: number },
  ): Promise<Uint32Array[]> {
    const { id, call, local } = ownBatch(batch);
    return call('histogram', [id, { method: method.name, pass: pass.name }, work.map(local), digit]);
  }

  countEqual(
    batch: LoadedBatch,
    method: Method,
    pass: SelectPass,
    work: readonly (PieceWork & { readonly queries: readonly { readonly key: number; readonly bits: number }[] })[],
  ): Promise<Uint32Array[]> {
    const { id, call, local } = ownBatch(batch);
    return call('countEqual', [id, { method: method.name, pass: pass.name }, work.map(local)]);
  }

  readonly windows: Windows | null = {
    sample: (batch, method, pass, work) => {
      const { id, call, local } = ownBatch(batch);
      return call('sample', [id, { method: method.name, pass: pass.name }, work.map(local)]);
    },
    collect: (batch, method, pass, work) => {
      const { id, call, local } = ownBatch(batch);
      return call('collect', [id, { method: method.name, pass: pass.name }, work.map(local)]);
    },
    locate: (batch, method, pass, work) => {
      const { id, call, local } = ownBatch(batch);
      return call('locate', [id, { method: method.name, pass: pass.name }, local(work)]);
    },
  };

  keys(
    batch: LoadedBatch,
    method: Method,
    pass: SelectPass,
    work: PieceWork & { readonly key: number; readonly from: number; readonly to: number },
  ): Promise<Uint32Array> {
    const { id, call, local } = ownBatch(batch);
    return call('keys', [id, { method: method.name, pass: pass.name }, local(work)]);
  }

  async merge(
    batch: LoadedBatch,
    method: Method,
    work: readonly MergeWork[],
    options: { readonly isAudited: boolean } = { isAudited: false },
  ): Promise<MergedPiece[]> {
    const { id, call, local } = ownBatch(batch);
    const order = { method: method.name, storage: 'packed', isAudited: options.isAudited } as const;
    return (await call('merge', [id, order, work.map(local)])).map(({ bytes, faulty, squares }) => ({
      bytes,
      faulty,
      squares,
    }));
  }

  async mergeInto(
    batch: LoadedBatch,
    method: Method,
    work: readonly MergeWork[],
    live: LiveWeights,
  ): Promise<number[]> {
    const { id, call, local, pieces } = ownBatch(batch);
    const targets = work.map(({ piece }) => {
      const shape = pieces[piece];
      const target = live.tensors.get(shape?.tensor ?? '');
      if (!shape || target?.kind !== 'cpu') throw new Error(`no live array for piece ${piece} of a batch`);
      return target.data.subarray(shape.start, shape.start + shape.elements);
    });
    const order = { method: method.name, storage: 'float32', isAudited: false } as const;
    const results = await call('merge', [id, order, work.map(local)]);
    return results.map(({ values, faulty }, n) => {
      targets[n]?.set(values);
      return faulty;
    });
  }

  async allocate(tensors: readonly LiveWish[]): Promise<LiveWeights> {
    const plain = liveWishes(tensors, allPlain);
    const live = new Map<string, LiveTensor>();
    for (const { name, shape, elements } of plain) {
      try {
        live.set(name, { kind: 'cpu', form: 'f32', data: new Float32Array(elements), shape, elements });
      } catch (cause) {
        if (!(cause instanceof RangeError)) throw cause;
        throw new BudgetFault(
          `The merged weights take ${liveBytesOf(plain)} bytes, and there was no room for ${name}; lower the memory budget, or save the merge without talking to it.`,
          { neededBytes: liveBytesOf(plain) },
        );
      }
    }
    return new LiveWeights(live, null);
  }

  trim(): void {
    spareBuffers.trim();
    // A thread that died has told those who wait for results.
    for (const { thread } of this.#stations) thread.call('trim', [], []).catch(() => undefined);
  }

  dispose(): void {
    for (const { thread } of this.#stations) thread.terminate();
  }
}

/** This very thread, one call after another. */
function inPlace(): KernelThread {
  const worker = new CpuWorker();
  return {
    call: async (call, args) => perform(worker, call, args),
    terminate: () => undefined,
  };
}

function ownBatch(batch: LoadedBatch) {
  if (!(batch instanceof CpuBatch)) throw new Error('a batch of another place');
  const { id, pieces } = batch;
  const select: CpuBatch['select'] = (own, sources) => batch.select(own, sources);
  const call: CpuBatch['call'] = (name, args) => batch.call(name, args);
  /** Of numbers that lie along rows only those of the piece's own are sent: a tensor may have a million. */
  const local = <Work extends PieceWork>(work: Work): Work => {
    const shape = pieces[work.piece];
    const { coefficients, found } = work.numbers;
    const isLong = (lines: Lines) => lines.over === 'row' && lines.lines > 1;
    if (!shape || ![coefficients, ...found.values()].some(isLong)) return work;
    const numbers: KernelNumbers = {
      ...work.numbers,
      coefficients: linesOf(shape, coefficients),
      found: new Map([...found].map(([pass, lines]) => [pass, linesOf(shape, lines)])),
    };
    return { ...work, numbers };
  };
  return { id, pieces, call, local, select };
}
