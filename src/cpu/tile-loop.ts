/**
 * TileLoop: what all kernels have around them: the loop over a tile four elements at a time, the memory that a tile
 * lies in, and decoded sources. Not what is computed of an element (`compile.ts`, `measure.ts`), nor totals
 * (`totals.ts`).
 */

import type { BlendedDtype } from '../formats/dtype.ts';
import { AddressSpace } from './address-space.ts';
import { loadLanes } from './codec-lanes.ts';
import type { Region } from './compiled-kernel.ts';
import { get, I32, i32, NO_RESULT, OPCODE, S, set, tee, unsigned, V, words, type Code } from './instructions.ts';
import { FunctionBuilder, moduleOf } from './wasm.ts';

/** Elements that pass through memory at once: few enough for the caches, enough to make calls cheap. */
export const TILE_ELEMENTS = 8192;

/** Elements more than a tile that regions have room for: a vector may reach past the end. */
export const SLACK = 4;

/** Parameters of `run`: positions in the tile [from, to), the tensor's index and the window's column of position 0. */
const PARAMS = { from: 0, to: 1, absolute: 2, shift: 3 } as const;

/** Bytes that there are for `numbers`. */
export const NUMBERS_BYTES = 32_768;

/** The parts that all kernels have: the loop over a tile, its addresses, and sources decoded. */
export class TileLoop {
  readonly builder = new FunctionBuilder(4);
  readonly memory = new AddressSpace(NUMBERS_BYTES);
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

  /** Room for a tile's elements in 32 bits each. */
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
