/**
 * CPU ranks: where every element of a row stands among the row's others by |δ|, ascending, ties by index: what kernels
 * ask for with `rank(k, i)`. Rows of any length; those of up to 65536 elements are `cpu/ranks.ts`'s, and their ranks
 * take 16 bits. Not what is done with them.
 */

import { type Ranks, ranksAreShort } from '../cpu/kernels.ts';
import { RowRanker } from '../cpu/ranks.ts';
import { decodeFloat32 } from '../formats/codec.ts';
import { elementBytes } from '../formats/dtype.ts';
import type { LoadedPiece } from '../methods/kernel.ts';

/** Long rows: bits of a digit, of which three make a key: a float32 without its sign. */
const WIDTH = 11;
const SIZE = 2 ** WIDTH;
const KEY_MASK = 0x7fffffff;

/** Ranks pieces; keeps its working memory between calls. */
export class RankSorter {
  #ranker: RowRanker | null = null;
  #order = new Uint32Array(0);
  #next = new Uint32Array(0);
  readonly #bins = new Uint32Array(SIZE * 3);

  /**
   * Ranks of |δ_k| = |x_k − base| (|x_k| where there is no base, the difference in float32) within each row.
   * @param piece whole rows.
   * @param spare memory to use again; what is used is taken out.
   * @returns per model one rank per element.
   */
  ranks(piece: LoadedPiece, spare: ArrayBuffer[] = []): Ranks {
    const { rowElements, elements, dtypes, hasBase } = piece;
    if (piece.start % rowElements !== 0 || elements % rowElements !== 0) {
      throw new Error(`ranks of ${piece.tensor} need whole rows`);
    }
    const isShort = ranksAreShort(rowElements);
    return dtypes.slice(hasBase ? 1 : 0).map((_, model) => {
      const memory = memoryOf(elements * (isShort ? 2 : 4), spare);
      if (isShort) {
        const out = new Uint16Array(memory, 0, elements);
        this.#ranker ??= new RowRanker();
        this.#ranker.rank(piece, model, out);
        return out;
      }
      const out = new Uint32Array(memory, 0, elements);
      for (let at = 0; at < elements; at += rowElements) this.#rankLongRow(keysOf(piece, model, at), out.subarray(at));
      return out;
    });
  }

  /** Gives the memory back. */
  trim(): void {
    this.#ranker = null;
    this.#order = new Uint32Array(0);
    this.#next = new Uint32Array(0);
  }

  /** A radix sort, as `cpu/ranks.ts` does it, for a row that its halves of words cannot number. */
  #rankLongRow(keys: Uint32Array, out: Uint32Array): void {
    const count = keys.length;
    if (this.#order.length < count) {
      this.#order = new Uint32Array(count);
      this.#next = new Uint32Array(count);
    }
    const bins = this.#bins.fill(0);
    for (let i = 0; i < count; i++) {
      const key = keys[i] ?? 0;
      for (let digit = 0; digit < 3; digit++) {
        const bin = digit * SIZE + ((key >>> (digit * WIDTH)) & (SIZE - 1));
        bins[bin] = (bins[bin] ?? 0) + 1;
      }
    }
    let [order, next] = [this.#order, this.#next];
    for (let i = 0; i < count; i++) order[i] = i;
    for (let digit = 0; digit < 3; digit++) {
      const places = bins.subarray(digit * SIZE, (digit + 1) * SIZE);
      for (let bin = 0, sum = 0; bin < SIZE; bin++) {
        const here = places[bin] ?? 0;
        places[bin] = sum;
        sum += here;
      }
      for (let i = 0; i < count; i++) {
        const element = order[i] ?? 0;
        const bin = ((keys[element] ?? 0) >>> (digit * WIDTH)) & (SIZE - 1);
        const place = places[bin] ?? 0;
        places[bin] = place + 1;
        if (digit === 2) out[element] = place;
        else next[place] = element;
      }
      [order, next] = [next, order];
    }
  }
}

/** Memory of that many bytes: the smallest spare one that is large enough, or fresh. */
function memoryOf(bytes: number, spare: ArrayBuffer[]): ArrayBuffer {
  let best = -1;
  spare.forEach(({ byteLength }, n) => {
    if (byteLength >= bytes && byteLength < (spare[best]?.byteLength ?? Number.POSITIVE_INFINITY)) best = n;
  });
  return best < 0 ? new ArrayBuffer(bytes) : (spare.splice(best, 1)[0] ?? new ArrayBuffer(bytes));
}

/** The bits of |δ| of the row that begins at element `at`. */
function keysOf(piece: LoadedPiece, model: number, at: number): Uint32Array {
  const decoded = (source: number): Float32Array => {
    const dtype = piece.dtypes[source];
    const bytes = piece.bytes[source];
    if (!dtype || !bytes) throw new Error(`${piece.tensor} has no source ${source}`);
    const size = elementBytes(dtype);
    const part = bytes.subarray(at * size, (at + piece.rowElements) * size);
    return decodeFloat32(part, dtype, new Float32Array(piece.rowElements));
  };
  const values = decoded(model + (piece.hasBase ? 1 : 0));
  const base = piece.hasBase ? decoded(0) : null;
  // Of two float32 numbers the difference in float64, rounded to float32, is the float32 difference.
  if (base) for (let i = 0; i < values.length; i++) values[i] = (values[i] ?? 0) - (base[i] ?? 0);
  const keys = new Uint32Array(values.buffer);
  for (let i = 0; i < keys.length; i++) keys[i] = (keys[i] ?? 0) & KEY_MASK;
  return keys;
}
