/**
 * CpuWorker: one thread's share of merging on the CPU. It holds the batches that it was given, computes on them with
 * its own `CpuKernels`, and gives their memory back when they are let go. It runs in a worker (`kernel.worker.ts`,
 * `cli/kernel-worker.ts`) or in place, and knows neither of them; what goes where is `cpu-arithmetic.ts`.
 */

import { KeyFilter } from '../cpu/key-filter.ts';
import { CpuKernels, type KernelResult, type Ranks } from '../cpu/kernels.ts';
import {
  BLOCK_ELEMENTS,
  blocksOf,
  type LoadedPiece,
  type MeasuredPiece,
  type MeasureKind,
  selectShapes,
} from '../methods/kernel.ts';
import { METHODS } from '../methods/index.ts';
import type { Method, Pass, SelectPass, SumPass } from '../methods/method.ts';
import type { Caught, DigitQuery, MergeWork, PieceWork, SampleOrder, WindowQuery } from './arithmetic.ts';
import { countBits, DigitCounter, KeyNet, nthOf } from './cpu-counts.ts';
import { RankSorter } from './cpu-ranks.ts';
import type { Digit, TieQuery } from './selection.ts';

/** Blocks whose keys are made at a time: enough to hide the call, few enough to stay in a core's cache. */
const TILE_BLOCKS = 16;

/** Most bytes of ranks that are kept for a batch's next call; what does not fit is ranked again. */
const MOST_RANK_BYTES = 32 * 2 ** 20;

/** Buffers of ranks that lie idle. */
const MOST_SPARE_RANKS = 32;

/** A method and one of its passes by their names, as they travel. */
export interface PassName {
  readonly method: string;
  readonly pass: string;
}

/** How pieces are to be merged. */
export interface MergeOrder {
  readonly method: string;
  readonly storage: 'packed' | 'float32';
  readonly isAudited: boolean;
}

/** One thread's batches and kernels. Every call is synchronous and takes and gives plain data. */
export class CpuWorker {
  readonly #kernels = new CpuKernels();
  readonly #sorter = new RankSorter();
  readonly #counter = new DigitCounter();
  readonly #batches = new Map<number, readonly LoadedPiece[]>();
  /** Those of them that lie in another's memory. */
  readonly #selections = new Set<number>();
  /** The tile that keys are made in lies in its memory. */
  readonly #filter = new KeyFilter(TILE_BLOCKS * BLOCK_ELEMENTS);
  /** Ranks that are kept, by batch and piece. */
  readonly #ranks = new Map<number, Map<number, Ranks>>();
  #rankBytes = 0;
  /** Memory of ranks that are no longer kept: the garbage collector would give it back late. */
  #spareRanks: ArrayBuffer[] = [];
  /** The last ranks that there was no room to keep: their memory is used for the next. */
  #passingRanks: Ranks = [];

  /** Holds a batch until it is released. */
  load(id: number, pieces: readonly LoadedPiece[]): void {
    this.#batches.set(id, pieces);
  }

  /** Holds some sources of a batch that is held as a batch of their own, over the same memory. */
  select(id: number, of: number, sources: readonly (readonly number[])[]): void {
    const pieces = this.#batches.get(of) ?? [];
    const shapes = selectShapes(pieces, sources);
    const selected = pieces.map(({ bytes }, p) => (sources[p] ?? []).flatMap((source) => bytes[source] ?? []));
    this.#batches.set(
      id,
      shapes.map((shape, p) => ({ ...shape, bytes: selected[p] ?? [] })),
    );
    this.#selections.add(id);
  }

  /** Lets a batch go. @returns the memory that its sources lay in, where it is no other batch's */
  release(id: number): ArrayBuffer[] {
    const pieces = this.#batches.get(id) ?? [];
    this.#batches.delete(id);
    this.#forgetRanks(id);
    if (this.#selections.delete(id)) return [];
    return [...new Set(pieces.flatMap(({ bytes }) => bytes.map(({ buffer }) => buffer)))];
  }

  measure(id: number, pieces: readonly number[], kind: MeasureKind): MeasuredPiece[] {
    return pieces.map((piece) => this.#kernels.measure(this.#piece(id, piece), kind));
  }

  sums(id: number, name: PassName, work: readonly PieceWork[]): Float64Array[] {
    const { method, pass } = findPass(name, isSums);
    return work.map(({ piece, numbers }) =>
      this.#kernels.sums(this.#piece(id, piece), method, pass, numbers, this.#ranksOf(method, id, piece)),
    );
  }

  histogram(
    id: number,
    name: PassName,
    work: readonly (PieceWork & { readonly queries: readonly DigitQuery[] })[],
    digit: Digit,
  ): Uint32Array[] {
    const bins = 2 ** digit.width;
    return work.map((item) => {
      const counts = new Uint32Array(item.queries.length * bins);
      for (const { query, keys } of this.#tiles(id, name, item)) {
        this.#counter.count(keys, item.queries[query]?.prefix ?? 0, digit, counts, query * bins);
      }
      return counts;
    });
  }

  countEqual(
    id: number,
    name: PassName,
    work: readonly (PieceWork & { readonly queries: readonly TieQuery[] })[],
  ): Uint32Array[] {
    return work.map((item) => {
      const shape = this.#piece(id, item.piece);
      const blocks = [...blocksOf(shape, shape.tensorElements, BLOCK_ELEMENTS)];
      const counts = new Uint32Array(item.queries.length * blocks.length);
      for (const { query, keys, tile } of this.#tiles(id, name, item)) {
        const bits = item.queries[query]?.bits ?? 0;
        const [origin = 0] = blocks[tile * TILE_BLOCKS] ?? [];
        blocks.slice(tile * TILE_BLOCKS, (tile + 1) * TILE_BLOCKS).forEach(([from, to], n) => {
          const at = query * blocks.length + tile * TILE_BLOCKS + n;
          counts[at] = countBits(keys.subarray(from - origin, to - origin), bits);
        });
      }
      return counts;
    });
  }

  sample(id: number, name: PassName, work: readonly (PieceWork & { readonly order: SampleOrder })[]): Uint32Array[][] {
    const { method, pass } = findPass(name, isSelect);
    return work.map(({ piece, numbers, order }) => {
      const loaded = this.#piece(id, piece);
      const ranks = this.#ranksOf(method, id, piece);
      const length = Math.min(order.runElements, loaded.elements);
      const runs = Math.min(order.runs, Math.ceil(loaded.elements / length));
      return order.keys.map((key) => {
        const bits = new Uint32Array(runs * length);
        for (let run = 0; run < runs; run++) {
          const from = Math.floor(((loaded.elements - length) * (run + 0.5)) / runs);
          const into = bits.subarray(run * length, (run + 1) * length);
          this.#kernels.keys(loaded, method, pass, numbers, ranks, key, from, from + length, into);
        }
        return bits;
      });
    });
  }

  collect(
    id: number,
    name: PassName,
    work: readonly (PieceWork & { readonly queries: readonly WindowQuery[]; readonly limit: number })[],
  ): Caught[][] {
    return work.map((item) => {
      const nets = item.queries.map((query) => new KeyNet(query, item.limit));
      for (const { query, keys } of this.#tiles(id, name, item)) nets[query]?.draw(this.#filter, keys.length);
      return nets.map((net) => net.caught);
    });
  }

  locate(
    id: number,
    name: PassName,
    work: PieceWork & { readonly key: number; readonly bits: number; readonly nth: number },
  ): number {
    const { key, bits, nth } = work;
    let seen = 0;
    let at = 0;
    for (const { keys } of this.#tiles(id, name, { ...work, queries: [{ key }] })) {
      const own = countBits(keys, bits);
      if (seen + own >= nth) return at + nthOf(keys, bits, nth - seen);
      seen += own;
      at += keys.length;
    }
    throw new Error(`a piece holds fewer than ${nth} of these keys`);
  }

  keys(
    id: number,
    name: PassName,
    work: PieceWork & { readonly key: number; readonly from: number; readonly to: number },
  ): Uint32Array {
    const { method, pass } = findPass(name, isSelect);
    const { key, from, to, numbers } = work;
    const into = new Uint32Array(to - from);
    const ranks = this.#ranksOf(method, id, work.piece);
    this.#kernels.keys(this.#piece(id, work.piece), method, pass, numbers, ranks, key, from, to, into);
    return into;
  }

  merge(id: number, order: MergeOrder, work: readonly MergeWork[]): KernelResult[] {
    const method = findMethod(order.method);
    return work.map(({ piece, numbers, out }) =>
      this.#kernels.merge(this.#piece(id, piece), method, numbers, out, order.storage, {
        isAudited: order.isAudited,
        ranks: this.#ranksOf(method, id, piece),
      }),
    );
  }

  trim(): void {
    for (const id of [...this.#ranks.keys()]) this.#forgetRanks(id);
    this.#passingRanks = [];
    this.#spareRanks = [];
    this.#sorter.trim();
    this.#kernels.trim();
  }

  #piece(id: number, piece: number): LoadedPiece {
    const found = this.#batches.get(id)?.[piece];
    if (!found) throw new Error(`no piece ${piece} in batch ${id}`);
    return found;
  }

  /** The keys of every query tile by tile, valid until the next; a key that several queries share is made once. */
  *#tiles(
    id: number,
    name: PassName,
    item: PieceWork & { readonly queries: readonly { readonly key: number }[] },
  ): Generator<{ readonly query: number; readonly keys: Uint32Array; readonly tile: number }> {
    const { method, pass } = findPass(name, isSelect);
    const piece = this.#piece(id, item.piece);
    const ranks = this.#ranksOf(method, id, item.piece);
    const blocks = [...blocksOf(piece, piece.tensorElements, BLOCK_ELEMENTS)];
    const keys = [...new Set(item.queries.map(({ key }) => key))];
    for (let tile = 0; tile * TILE_BLOCKS < blocks.length; tile++) {
      const [from] = blocks[tile * TILE_BLOCKS] ?? [0];
      const [, to] = blocks[Math.min((tile + 1) * TILE_BLOCKS, blocks.length) - 1] ?? [0, 0];
      const bits = this.#filter.keys.subarray(0, to - from);
      for (const key of keys) {
        this.#kernels.keys(piece, method, pass, item.numbers, ranks, key, from, to, bits);
        for (const [query, own] of item.queries.entries()) if (own.key === key) yield { query, keys: bits, tile };
      }
    }
  }

  /** Valid until the next call. */
  #ranksOf(method: Method, id: number, piece: number): Ranks | null {
    if (method.ranks !== true) return null;
    const known = this.#ranks.get(id)?.get(piece);
    if (known) return known;
    this.#spare(this.#passingRanks);
    this.#passingRanks = [];
    const ranks = this.#sorter.ranks(this.#piece(id, piece), this.#spareRanks);
    const bytes = ranks.reduce((sum, own) => sum + own.byteLength, 0);
    if (this.#rankBytes + bytes > MOST_RANK_BYTES) {
      this.#passingRanks = ranks;
      return ranks;
    }
    const kept = this.#ranks.get(id) ?? new Map<number, Ranks>();
    this.#ranks.set(id, kept.set(piece, ranks));
    this.#rankBytes += bytes;
    return ranks;
  }

  #forgetRanks(id: number): void {
    for (const ranks of this.#ranks.get(id)?.values() ?? []) {
      this.#rankBytes -= ranks.reduce((sum, own) => sum + own.byteLength, 0);
      this.#spare(ranks);
    }
    this.#ranks.delete(id);
  }

  /** Keeps the memory of ranks that nobody reads any more for the next ones. */
  #spare(ranks: Ranks): void {
    for (const { buffer } of ranks) if (this.#spareRanks.length < MOST_SPARE_RANKS) this.#spareRanks.push(buffer);
  }
}

/** The calls that a worker answers. */
export type CpuCall = keyof CpuWorker;

/** Does one call by its name, as a message has it. */
export function perform<Call extends CpuCall>(
  worker: CpuWorker,
  call: Call,
  args: Parameters<CpuWorker[Call]>,
): ReturnType<CpuWorker[Call]> {
  // What TypeScript cannot see: the arguments are those of this very call.
  const does = worker[call] as (...args: unknown[]) => ReturnType<CpuWorker[Call]>;
  return does.apply(worker, args);
}

/** The memory that a call's result lies in, each buffer once, to be transferred with it. */
export function buffersOf(result: unknown): ArrayBuffer[] {
  const found = new Set<ArrayBuffer>();
  const visit = (value: unknown): void => {
    if (value instanceof ArrayBuffer) found.add(value);
    else if (ArrayBuffer.isView(value)) visit(value.buffer);
    else if (Array.isArray(value)) value.forEach(visit);
    else if (typeof value === 'object' && value !== null) Object.values(value).forEach(visit);
  };
  visit(result);
  // Empty ones cost nothing to copy, and may be shared constants.
  return [...found].filter(({ byteLength }) => byteLength > 0);
}

function findMethod(name: string): Method {
  const method = METHODS.get(name);
  if (!method) throw new Error(`there is no method ${name}`);
  return method;
}

const isSums = (pass: Pass): pass is SumPass => pass.kind === 'sums';
const isSelect = (pass: Pass): pass is SelectPass => pass.kind === 'select';

function findPass<Kind extends Pass>(
  name: PassName,
  isKind: (pass: Pass) => pass is Kind,
): { readonly method: Method; readonly pass: Kind } {
  const method = findMethod(name.method);
  const pass = method.passes?.find((own) => own.name === name.pass);
  if (!pass || !isKind(pass)) throw new Error(`${name.method} has no such pass as ${name.pass}`);
  return { method, pass };
}
