/**
 * CPU ranks: where every element of a row stands among the row's others by |δ|, ascending, ties by index: what kernels
 * ask for with `rank(k, i)`. A radix sort of float32 bits, so the order is exact. Not what is done with them.
 */

import { decodeFloat32 } from '../formats/codec.ts';
import { elementBytes } from '../formats/dtype.ts';
import type { LoadedPiece } from '../methods/kernel.ts';

/** Bits of a key: a float32's without its sign. */
const KEY_BITS = 31;
const KEY_MASK = 0x7fffffff;

/** Shorter rows are ranked by comparing every pair, which costs less than clearing the bins. */
const FEW_ELEMENTS = 24;

/** Elements that are decoded at a time, where a row has no more. */
const TILE_ELEMENTS = 8192;

/** Ranks rows; keeps its working arrays between calls. */
export class RankSorter {
  #order = new Uint32Array(0);
  #spare = new Uint32Array(0);
  #values = new Float32Array(0);
  #pivots = new Float32Array(0);
  readonly #bins = new Uint32Array(2 ** 11 * 3);

  /**
   * Ranks of |δ_k| = |x_k − base| (|x_k| where there is no base, the difference in float32) within each row.
   * @param piece whole rows.
   * @param spare arrays to use again; those that are used or too short are taken out.
   * @returns per model one rank per element.
   */
  ranks(piece: LoadedPiece, spare: Uint32Array<ArrayBuffer>[] = []): Uint32Array<ArrayBuffer>[] {
    const { rowElements, elements, dtypes, hasBase } = piece;
    if (piece.start % rowElements !== 0 || elements % rowElements !== 0) {
      throw new Error(`ranks of ${piece.tensor} need whole rows`);
    }
    const step = Math.max(1, Math.floor(TILE_ELEMENTS / rowElements)) * rowElements;
    if (this.#values.length < step) {
      this.#values = new Float32Array(step);
      this.#pivots = new Float32Array(step);
    }
    const first = hasBase ? 1 : 0;
    const out = dtypes.slice(first).map(() => arrayOf(elements, spare));
    for (let at = 0; at < elements; at += step) {
      const end = Math.min(at + step, elements);
      const pivots = hasBase ? decodeTile(piece, 0, at, end, this.#pivots) : null;
      out.forEach((ranks, model) => {
        const values = decodeTile(piece, first + model, at, end, this.#values);
        // Of two float32 numbers the difference in float64, rounded to float32, is the float32 difference.
        if (pivots) for (let i = 0; i < values.length; i++) values[i] = (values[i] as number) - (pivots[i] as number);
        const keys = new Uint32Array(values.buffer, 0, values.length);
        for (let row = 0; row < keys.length; row += rowElements) {
          this.rankRow(keys.subarray(row, row + rowElements), ranks.subarray(at + row, at + row + rowElements));
        }
      });
    }
    return out;
  }

  /** Ranks one row by the lower 31 bits of its keys, ascending, ties by index. */
  rankRow(keys: Uint32Array, out: Uint32Array): void {
    if (keys.length <= FEW_ELEMENTS) return rankFew(keys, out);
    const count = keys.length;
    if (this.#order.length < count) {
      this.#order = new Uint32Array(count);
      this.#spare = new Uint32Array(count);
    }
    // Long rows are worth larger bins, which mean fewer passes.
    const width = count < 1024 ? 8 : 11;
    const size = 2 ** width;
    const digits = Math.ceil(KEY_BITS / width);
    // The highest digit stops below the sign.
    const maskOf = (digit: number) => 2 ** Math.min(width, KEY_BITS - digit * width) - 1;
    const bins = this.#bins.fill(0, 0, size * digits);
    if (digits === 3) countThree(keys, bins);
    else countFour(keys, bins);
    const due: number[] = [];
    for (let digit = 0; digit < digits; digit++) {
      const row = bins.subarray(digit * size, (digit + 1) * size);
      // Where all keys have the same digit, as in the low bits of a difference of two BF16, nothing would move.
      if (row[((keys[0] as number) >>> (digit * width)) & maskOf(digit)] === count) continue;
      due.push(digit);
      let sum = 0;
      for (let bin = 0; bin < size; bin++) {
        const here = row[bin] as number;
        row[bin] = sum;
        sum += here;
      }
    }
    const last = due.pop();
    if (last === undefined) {
      for (let i = 0; i < count; i++) out[i] = i;
      return;
    }
    let [order, next] = [this.#order, this.#spare];
    due.forEach((digit, pass) => {
      const row = bins.subarray(digit * size, (digit + 1) * size);
      if (pass === 0) scatterFirst(keys, digit * width, maskOf(digit), row, next);
      else scatter(keys, order, digit * width, maskOf(digit), row, next);
      [order, next] = [next, order];
    });
    const row = bins.subarray(last * size, (last + 1) * size);
    if (due.length === 0) placeFirst(keys, last * width, maskOf(last), row, out);
    else place(keys, order, last * width, maskOf(last), row, out);
  }
}

/** An array of `length` numbers, over the memory of a spare one where that is long enough. */
export function arrayOf(length: number, spare: Uint32Array<ArrayBuffer>[]): Uint32Array<ArrayBuffer> {
  for (let next = spare.pop(); next; next = spare.pop()) {
    if (next.buffer.byteLength >= length * 4) return new Uint32Array(next.buffer, 0, length);
  }
  return new Uint32Array(length);
}

/** A pass over elements in their own order. */
function scatterFirst(keys: Uint32Array, shift: number, mask: number, bins: Uint32Array, next: Uint32Array): void {
  for (let i = 0; i < keys.length; i++) {
    const bin = ((keys[i] as number) >>> shift) & mask;
    const at = bins[bin] as number;
    next[at] = i;
    bins[bin] = at + 1;
  }
}

/** A pass over elements in the order that the last one left. */
function scatter(
  keys: Uint32Array,
  order: Uint32Array,
  shift: number,
  mask: number,
  bins: Uint32Array,
  next: Uint32Array,
): void {
  for (let i = 0; i < keys.length; i++) {
    const element = order[i] as number;
    const bin = ((keys[element] as number) >>> shift) & mask;
    const at = bins[bin] as number;
    next[at] = element;
    bins[bin] = at + 1;
  }
}

/** The last pass: places become ranks. */
function place(
  keys: Uint32Array,
  order: Uint32Array,
  shift: number,
  mask: number,
  bins: Uint32Array,
  ranks: Uint32Array,
): void {
  for (let i = 0; i < keys.length; i++) {
    const element = order[i] as number;
    const bin = ((keys[element] as number) >>> shift) & mask;
    const at = bins[bin] as number;
    ranks[element] = at;
    bins[bin] = at + 1;
  }
}

/** The last pass where it is the only one. */
function placeFirst(keys: Uint32Array, shift: number, mask: number, bins: Uint32Array, ranks: Uint32Array): void {
  for (let i = 0; i < keys.length; i++) {
    const bin = ((keys[i] as number) >>> shift) & mask;
    const at = bins[bin] as number;
    ranks[i] = at;
    bins[bin] = at + 1;
  }
}

function rankFew(keys: Uint32Array, out: Uint32Array): void {
  out.fill(0);
  for (let i = 1; i < keys.length; i++) {
    for (let j = 0; j < i; j++) {
      const above = ((keys[i] as number) & KEY_MASK) >= ((keys[j] as number) & KEY_MASK) ? i : j;
      out[above] = (out[above] as number) + 1;
    }
  }
}

function countThree(keys: Uint32Array, bins: Uint32Array): void {
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as number;
    const low = key & 2047;
    const middle = 2048 + ((key >>> 11) & 2047);
    const high = 4096 + ((key >>> 22) & 511);
    bins[low] = (bins[low] as number) + 1;
    bins[middle] = (bins[middle] as number) + 1;
    bins[high] = (bins[high] as number) + 1;
  }
}

function countFour(keys: Uint32Array, bins: Uint32Array): void {
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as number;
    const low = key & 255;
    const second = 256 + ((key >>> 8) & 255);
    const third = 512 + ((key >>> 16) & 255);
    const high = 768 + ((key >>> 24) & 127);
    bins[low] = (bins[low] as number) + 1;
    bins[second] = (bins[second] as number) + 1;
    bins[third] = (bins[third] as number) + 1;
    bins[high] = (bins[high] as number) + 1;
  }
}

/** Elements [from, to) of a source as float32, in `out`. */
function decodeTile(
  piece: LoadedPiece,
  source: number,
  from: number,
  to: number,
  out: Float32Array<ArrayBuffer>,
): Float32Array {
  const dtype = piece.dtypes[source];
  const bytes = piece.bytes[source];
  if (!dtype || !bytes) throw new Error(`${piece.tensor} has no source ${source}`);
  const size = elementBytes(dtype);
  return decodeFloat32(bytes.subarray(from * size, to * size), dtype, out.subarray(0, to - from));
}
