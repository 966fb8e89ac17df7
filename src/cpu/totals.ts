/**
 * Totals: what a kernel adds up over elements, in float64 (maxima also in float32): one total per quantity in a local,
 * or one per quantity and column in memory. Not how a total's lanes are joined (`kernel-memory.ts`).
 */

import { get, I32, i32, load, S, set, shuffle32, store, V, type Code } from './instructions.ts';
import { SLACK, TILE_ELEMENTS, type TileLoop } from './tile-loop.ts';
import type { FunctionBuilder } from './wasm.ts';

/** Bytes of a total that is not over columns: four float32 or two float64 lanes. */
export const TOTAL_BYTES = 16;

/** Most bytes of column totals. */
const TOTALS_BYTES = 2 ** 20;

/** Totals of up to thousands of quantities, in locals or per column in memory. */
export class Totals {
  readonly #loop: TileLoop;
  readonly #isColumns: boolean;
  readonly #locals = new Map<number, number>();
  /** The first one's address. */
  readonly address: number;
  /** Bytes from one quantity's column totals to the next one's; 0 where totals are not over columns. */
  readonly stride: number;

  /** @param columns how many columns there is room for; null where totals are not over columns. */
  constructor(loop: TileLoop, quantities: number, columns: number | null) {
    this.#loop = loop;
    this.#isColumns = columns !== null;
    this.stride = columns === null ? 0 : (columns + SLACK) * 8;
    this.address = loop.memory.take(Math.max(1, quantities) * (columns === null ? TOTAL_BYTES : this.stride));
  }

  #local(q: number): number {
    let local = this.#locals.get(q);
    if (local === undefined) {
      local = this.#loop.builder.accumulator(this.address + TOTAL_BYTES * q);
      this.#locals.set(q, local);
    }
    return local;
  }

  /**
   * Takes two halves of two float64 lanes each (elements 0 and 1, then 2 and 3) into quantity `q`.
   * @param combine what makes one of the total before and a half.
   */
  take(q: number, low: Code, high: Code, combine: Code): void {
    const { builder, column } = this.#loop;
    if (!this.#isColumns) {
      const local = this.#local(q);
      builder.emit(get(local), low, combine, high, combine, set(local));
      return;
    }
    const address = builder.local(I32);
    builder.emit(column, i32(3), S.shl, set(address));
    [low, high].forEach((half, n) => {
      const at = this.address + q * this.stride + 16 * n;
      builder.emit(get(address), get(address), load.v128(at), half, combine, store.v128(at));
    });
    builder.release(address);
  }

  /** Counts the lanes of a mask, in four 32-bit integers; not over columns. */
  takeCount(q: number, mask: Code): void {
    const local = this.#local(q);
    // A mask is minus one.
    this.#loop.builder.emit(get(local), mask, V.i32x4_sub, set(local));
  }

  /** Takes four float32 lanes as a maximum (NaN wins). */
  takeMaximum(q: number, lanes: Code): void {
    const { builder } = this.#loop;
    if (this.#isColumns) {
      const [low, high] = promoted(builder, lanes);
      this.take(q, low, high, V.f64x2_max);
      return;
    }
    const local = this.#local(q);
    builder.emit(get(local), lanes, V.f32x4_max, set(local));
  }
}

/** Four float32 lanes as two halves of two float64 lanes. */
export function promoted(builder: FunctionBuilder, lanes: Code): [Code, Code] {
  const local = builder.scratch('promoted');
  builder.emit(lanes, set(local));
  return [
    [...get(local), ...V.f64x2_promote_low],
    [...get(local), ...get(local), ...shuffle32(2, 3, 2, 3), ...V.f64x2_promote_low],
  ];
}

/** Columns that totals or numbers have room for. */
export function windowOf(quantities: number): number {
  return Math.min(TILE_ELEMENTS, Math.max(64, Math.floor(TOTALS_BYTES / 8 / Math.max(1, quantities)) & ~3));
}
