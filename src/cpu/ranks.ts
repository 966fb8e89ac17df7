/**
 * Ranks: where every element of a row stands among the row's others by |δ|, ascending, ties by index: what kernels ask
 * for with `rank(k, i)`. A radix sort of the bits of float32 numbers, so the order is exact. Rows of up to 65536
 * elements, a few of them at once where they are short. Not what is done with ranks.
 */

import { elementBytes } from '../formats/dtype.ts';
import type { LoadedPiece } from '../methods/kernel.ts';
import { keysModule } from './rank-keys.ts';
import { rankPasses, type RankPasses } from './rank-passes.ts';
import { MOST_DIGIT_BITS, MOST_ELEMENTS, RANK_REGIONS, SOURCE_ELEMENTS } from './rank-regions.ts';
import { functionOf, PAGE_BYTES } from './wasm.ts';

/** Elements that are ranked in one go, where a row has no more: enough to make bins cheap, few enough for the caches. */
const GROUP_ELEMENTS = 8192;

/** What a pass over one element costs, and clearing and adding up one bin, in the same unit. */
const PASS_COST = 2;
const BIN_COST = 0.6;

/** Bits of a key and a row together. */
const WORD_BITS = 32;

type KeysRun = (count: number, offset: number) => void;

/** How a group is sorted. */
interface SortPlan {
  /** Rows at once. */
  readonly rows: number;
  /** Bits of each pass's digit but the last one's, which has the rest and, above it, the row. */
  readonly widths: readonly number[];
}

/** Ranks rows; one instance per thread. */
export class RowRanker {
  readonly #memory = new WebAssembly.Memory({ initial: Math.ceil(RANK_REGIONS.end / PAGE_BYTES) });
  readonly #u8 = new Uint8Array(this.#memory.buffer);
  readonly #u16 = new Uint16Array(this.#memory.buffer);
  readonly #u32 = new Uint32Array(this.#memory.buffer);
  readonly #passes: RankPasses = rankPasses(this.#memory);
  readonly #keys = new Map<string, KeysRun>();

  /**
   * Ranks by |δ_k| = |x_k − base| (|x_k| where there is no base, the difference in float32) within each row.
   * @param piece whole rows of at most 65536 elements.
   * @param model index among the models.
   * @param out one rank per element of the piece.
   * @throws RangeError where rows are longer, or bytes missing.
   */
  rank(piece: LoadedPiece, model: number, out: Uint16Array): void {
    const { rowElements, elements } = piece;
    if (rowElements > MOST_ELEMENTS) throw new RangeError(`${piece.tensor}: rows of ${rowElements} are too long`);
    const step = Math.max(1, Math.floor(GROUP_ELEMENTS / rowElements)) * rowElements;
    for (let at = 0; at < elements; at += step) {
      const end = Math.min(at + step, elements);
      this.#makeKeys(piece, model, at, end);
      const { least, shift, bits } = this.#common();
      const plan = planOf(bits, rowElements, (end - at) / rowElements);
      const part = plan.rows * rowElements;
      for (let from = 0; from < end - at; from += part) {
        this.#sort(from, Math.min(part, end - at - from), rowElements, least, shift, bits, plan.widths);
      }
      out.set(this.#u16.subarray(RANK_REGIONS.ranks / 2, RANK_REGIONS.ranks / 2 + end - at), at);
    }
  }

  /** Keys of elements [from, to) of a model. */
  #makeKeys(piece: LoadedPiece, model: number, from: number, to: number): void {
    const source = model + (piece.hasBase ? 1 : 0);
    const dtype = piece.dtypes[source];
    const base = piece.hasBase ? (piece.dtypes[0] ?? null) : null;
    if (!dtype) throw new RangeError(`${piece.tensor} has no source ${source}`);
    const name = `${base} ${dtype}`;
    let run = this.#keys.get(name);
    if (!run) {
      run = functionOf<KeysRun>(keysModule(base, dtype), this.#memory);
      this.#keys.set(name, run);
    }
    this.#u32.fill(0, RANK_REGIONS.set / 4, RANK_REGIONS.set / 4 + 4);
    this.#u32.fill(0, RANK_REGIONS.largest / 4, RANK_REGIONS.largest / 4 + 4);
    this.#u32.fill(0xffffffff, RANK_REGIONS.smallest / 4, RANK_REGIONS.smallest / 4 + 4);
    for (let at = from; at < to; at += SOURCE_ELEMENTS) {
      const end = Math.min(at + SOURCE_ELEMENTS, to);
      if (base) this.#copy(piece, 0, at, end, RANK_REGIONS.base);
      this.#copy(piece, source, at, end, RANK_REGIONS.model);
      run(end - at, 4 * (at - from));
    }
  }

  #copy(piece: LoadedPiece, source: number, from: number, to: number, address: number): void {
    const size = elementBytes(piece.dtypes[source] ?? 'F32');
    const bytes = piece.bytes[source];
    if (bytes?.length !== piece.elements * size) throw new RangeError(`${piece.tensor}: source ${source} is not whole`);
    this.#u8.set(bytes.subarray(from * size, to * size), address);
  }

  /** What the keys have in common: none has a bit below `shift`, all but zero are above `least`; `bits` tell them apart. */
  #common(): { readonly least: number; readonly shift: number; readonly bits: number } {
    const lanes = (address: number) => this.#u32.subarray(address / 4, address / 4 + 4);
    let [set, largest, smallest] = [0, 0, 0xffffffff];
    for (const lane of lanes(RANK_REGIONS.set)) set |= lane;
    for (const lane of lanes(RANK_REGIONS.largest)) largest = Math.max(largest, lane);
    for (const lane of lanes(RANK_REGIONS.smallest)) smallest = Math.min(smallest, lane);
    if (set === 0) return { least: 0, shift: 0, bits: 0 };
    const shift = 31 - Math.clz32(set & -set);
    // The smallest that is not zero becomes one, and zero stays zero.
    const least = smallest + 1 - 2 ** shift;
    return { least, shift, bits: 32 - Math.clz32((largest - least) >>> shift) };
  }

  /** Ranks `count` elements of whole rows, whose keys begin at element `first`. */
  #sort(
    first: number,
    count: number,
    rowElements: number,
    least: number,
    shift: number,
    bits: number,
    widths: readonly number[],
  ): void {
    const passes = this.#passes;
    const [width0, width] = widths.length === 2 ? [widths[0] ?? 0, widths[1] ?? 0] : [0, widths[0] ?? 0];
    const make = widths.length === 2 ? passes.digitsOfThree : passes.digits;
    const rows = count / rowElements;
    for (let row = 0; row < rows; row++) {
      const from = 4 * (first + row * rowElements);
      make(from, from + 4 * rowElements, least, shift, row * 2 ** bits, width, width0);
    }
    const [from, to] = [4 * first, 4 * (first + count)];
    // Every row has bins of its own among those of the last digit, so that its places begin at zero.
    const perRow = 2 ** (bits - width - width0);
    this.#clear(RANK_REGIONS.last, rows * perRow);
    if (widths.length === 0) {
      passes.countLast(from, to);
      passes.places(RANK_REGIONS.last, RANK_REGIONS.last + 4 * rows * perRow, 4 * perRow, 0);
      passes.only(from, to, first);
      return;
    }
    this.#clear(RANK_REGIONS.middle, 2 ** width);
    if (widths.length === 1) {
      const mid = from + 4 * Math.floor(count / 2);
      this.#clear(RANK_REGIONS.first, 2 ** width);
      passes.countHalves(from, mid, to);
      passes.placesOfHalves(0, 4 * 2 ** width);
      passes.firstOfTwo(from, mid, to);
    } else {
      this.#clear(RANK_REGIONS.first, 2 ** width0);
      passes.count(from, to);
      passes.countFirst(from, to);
      passes.places(RANK_REGIONS.middle, RANK_REGIONS.middle + 4 * 2 ** width, 4 * 2 ** width, 2);
      passes.places(RANK_REGIONS.first, RANK_REGIONS.first + 4 * 2 ** width0, 4 * 2 ** width0, 2);
      passes.firstOfThree(from, to, first);
      passes.secondOfThree(0, 4 * count, 0);
    }
    passes.places(RANK_REGIONS.last, RANK_REGIONS.last + 4 * rows * perRow, 4 * perRow, 0);
    passes.last(0, 4 * count, 0);
  }

  #clear(bins: number, count: number): void {
    this.#u32.fill(0, bins / 4, bins / 4 + count);
  }
}

/**
 * The cheapest way to sort up to `rows` rows at once.
 * @param bits of every key.
 */
function planOf(bits: number, rowElements: number, rows: number): SortPlan {
  let best: SortPlan & { readonly cost: number } = { rows: 1, widths: [], cost: Number.POSITIVE_INFINITY };
  for (let own = rows; own >= 1; own = own > 1 ? Math.ceil(own / 2) : 0) {
    const all = bits + Math.ceil(Math.log2(own));
    if (all > WORD_BITS) continue;
    for (let count = 1; count <= 3; count++) {
      // Rows have to lie within the last digit.
      const below = count === 1 ? 0 : Math.min(bits, all - Math.ceil(all / count));
      const widths = count === 1 ? [] : count === 2 ? [below] : [Math.ceil(below / 2), Math.floor(below / 2)];
      if (Math.max(all - below, ...widths) > MOST_DIGIT_BITS) continue;
      const bins = own * 2 ** (bits - below) + widths.reduce((sum, width) => sum + 2 ** width, 0);
      const cost = (count === 3 ? 3.5 : count) * PASS_COST + (BIN_COST * bins) / (own * rowElements);
      if (cost < best.cost) best = { rows: own, widths, cost };
    }
  }
  return best;
}
