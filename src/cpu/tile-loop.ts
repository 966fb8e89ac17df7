/**
 * TileLoop: what all kernels have around them: the loop over a tile four elements at a time, the memory that a tile
 * lies in, decoded sources, and totals. Not what is computed of an element (`compile.ts`, `measure.ts`).
 */

import type { BlendedDtype } from '../formats/dtype.ts';
import { loadLanes } from './codec-lanes.ts';
import {
  FunctionBuilder,
  get,
  I32,
  i32,
  load,
  moduleOf,
  NO_RESULT,
  OPCODE,
  S,
  set,
  shuffle32,
  store,
  tee,
  unsigned,
  V,
  words,
  type Code,
} from './wasm.ts';

/** Elements that pass through memory at once: few enough for the caches, enough to make calls cheap. */
export const TILE_ELEMENTS = 8192;

/** Elements more than a tile that regions have room for: a vector may reach past the end. */
export const SLACK = 4;

/** Most bytes of column totals. */
const TOTALS_BYTES = 2 ** 20;

/** Where a number of `numbers` comes from. */
export type NumberSource =
  | { readonly kind: 'param'; readonly name: string }
  | { readonly kind: 'model'; readonly name: string; readonly model: number }
  | { readonly kind: 'coefficient'; readonly n: number }
  | { readonly kind: 'found'; readonly pass: string; readonly n: number }
  | { readonly kind: 'bits' | 'cut'; readonly pass: string; readonly slot: number }
  | { readonly kind: 'rowElements' };

/** Something of which a part lies in memory. */
export interface Region<T> {
  readonly what: T;
  readonly address: number;
}

/** A kernel and what it needs in memory. */
export interface CompiledKernel {
  /** Exports `run(from, to, absolute, shift)`: see `PARAMS`. */
  readonly module: WebAssembly.Module;
  readonly memoryBytes: number;
  /** One 32-bit word each, from address 0: the same for all elements of a call. */
  readonly numbers: readonly NumberSource[];
  readonly sources: readonly Region<number>[];
  /** Models whose random numbers, or ranks, are read. */
  readonly randoms: readonly Region<number>[];
  readonly ranks: readonly Region<number>[];
  /** Numbers along columns: `window` float32 each. */
  readonly columns: readonly Region<NumberSource & { readonly kind: 'coefficient' | 'found' }>[];
  /** Columns of which there is room at once, in `columns` and in totals over columns. */
  readonly window: number;
  /** Results: bits of keys, or merged elements as they are stored. */
  readonly out: number;
  /** A count in four 32-bit lanes. */
  readonly faulty: number;
  /** Totals: 16 bytes each, in lanes that are to be joined as `joinOf` says; or `totalsStride` each over columns. */
  readonly totals: number;
  readonly quantities: number;
  /** Whether a total's lanes are two float64 to be added, two of which the larger counts, or four float32 likewise. */
  readonly joinOf: (quantity: number) => 'sum' | 'maximum' | 'float32 maximum';
  /** Bytes from one quantity's column totals (float64) to the next one's; 0 where totals are not over columns. */
  readonly totalsStride: number;
}

/** Parameters of `run`: positions in the tile [from, to), the tensor's index and the window's column of position 0. */
const PARAMS = { from: 0, to: 1, absolute: 2, shift: 3 } as const;

/** Memory, given out from the bottom up. */
class Memory {
  #top: number;
  #count = 0;

  constructor(bottom: number) {
    this.#top = bottom;
  }

  get bytes(): number {
    return this.#top;
  }

  take(bytes: number): number {
    const address = this.#top;
    // Odd steps, so that regions of a power of two do not meet in the same sets of the cache.
    this.#top += ((bytes + 63) & ~63) + 64 * (1 + (this.#count++ % 5));
    return address;
  }
}

/** Room for `numbers`. */
export const NUMBERS_BYTES = 32_768;

/** The parts that all kernels have: the loop over a tile, its addresses, and sources decoded. */
export class TileLoop {
  readonly builder = new FunctionBuilder(4);
  readonly memory = new Memory(NUMBERS_BYTES);
  readonly sources: Region<number>[] = [];
  /** The position of the first of four elements in the tile. */
  readonly #at = PARAMS.from;
  readonly #of2 = this.builder.local(I32);
  readonly #of4 = this.builder.local(I32);

  /** Byte offsets of the elements at hand in regions of two-byte and of four-byte elements. */
  readonly bytes = { of2: get(this.#of2), of4: get(this.#of4) };

  /** The index of the first element in the tensor. */
  readonly absolute: Code = [...get(this.#at), ...get(PARAMS.absolute), ...S.add];
  /** Its column in the window. */
  readonly column: Code = [...get(this.#at), ...get(PARAMS.shift), ...S.add];
  /** Lanes before the end of the run. */
  readonly inside: Code = [
    ...[...get(PARAMS.to), ...get(this.#at), ...S.sub, ...V.i32x4_splat],
    ...[...words(0, 1, 2, 3), ...V.i32x4_gt_s],
  ];

  takeElements(): number {
    return this.memory.take((TILE_ELEMENTS + SLACK) * 4);
  }

  /** A source's elements, decoded. */
  source(source: number, dtype: BlendedDtype): Code {
    let region = this.sources.find(({ what }) => what === source);
    if (!region) {
      region = { what: source, address: this.takeElements() };
      this.sources.push(region);
    }
    return loadLanes(this.builder, dtype, this.bytes, region.address);
  }

  /** Puts the loop around a body and makes a module of it. */
  module(body: () => void): WebAssembly.Module {
    const { builder } = this;
    const turn = builder.capture(() => {
      builder.emit(get(this.#at), i32(1), S.shl, set(this.#of2), get(this.#at), i32(2), S.shl, set(this.#of4));
      body();
      builder.emit(get(this.#at), i32(4), S.add, tee(this.#at), get(PARAMS.to), S.lt_u, [OPCODE.br_if, ...unsigned(0)]);
    }, 1);
    builder.emit([OPCODE.loop, NO_RESULT], turn, [OPCODE.end]);
    return moduleOf(builder);
  }
}

/** Totals of up to thousands of quantities, in locals or per column in memory. */
export class Totals {
  readonly #loop: TileLoop;
  readonly #isColumns: boolean;
  readonly #locals = new Map<number, number>();
  readonly address: number;
  readonly stride: number;

  constructor(loop: TileLoop, quantities: number, columns: number | null) {
    this.#loop = loop;
    this.#isColumns = columns !== null;
    this.stride = columns === null ? 0 : (columns + SLACK) * 8;
    this.address = loop.memory.take(Math.max(1, quantities) * (columns === null ? 16 : this.stride));
  }

  #local(q: number): number {
    let local = this.#locals.get(q);
    if (local === undefined) {
      local = this.#loop.builder.accumulator(this.address + 16 * q);
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
