/**
 * CpuKernels: a method's kernels on the CPU, one piece at a time: the same WGSL element functions that the GPU runs,
 * compiled to WebAssembly with SIMD (`compile.ts`) and run over tiles that fit the caches. Synchronous; one instance
 * per thread; its memory is a few MB however large a piece is. Not the place that spreads pieces over threads (that is
 * `merge/cpu-arithmetic.ts`), and no oracle: elements are float32, as on the GPU; sums are float64.
 */

import { elementBytes, type BlendedDtype } from '../formats/dtype.ts';
import { shaderText } from '../methods/index.ts';
import {
  type KernelNumbers,
  type LoadedPiece,
  type MeasuredPiece,
  type MeasureKind,
  pairCount,
} from '../methods/kernel.ts';
import type { Method, SelectPass, SumPass } from '../methods/method.ts';
import { compileKernel } from './compile.ts';
import type { CompiledKernel } from './compiled-kernel.ts';
import { KernelMemory } from './kernel-memory.ts';
import { kernelKey, kernelShape, ranksAreShort, type KernelEntry } from './kernel-shape.ts';
import { compileMeasure, type MeasureShape } from './measure.ts';
import { PieceSums } from './piece-sums.ts';
import { clearSizes, sizesAt } from './size-counts.ts';
import { isByLines } from './tensor-numbers.ts';
import { TileRunner, type Kernel, type Ranks } from './tile-runner.ts';
import { functionOf } from './wasm.ts';

export { ranksAreShort, type Ranks };

/** One merged piece. */
export interface KernelResult {
  /** As it lies in a file, where 'packed' was asked for; else empty. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Rounded to the dtype and widened, where 'float32' was asked for; else empty. */
  readonly values: Float32Array<ArrayBuffer>;
  /** How many elements are NaN or infinite after rounding. */
  readonly faulty: number;
  /** Σ x² of every source and, last, of the result as rounded; null where no audit was asked for. */
  readonly squares: Float64Array<ArrayBuffer> | null;
}

/** How a merge is to be done. */
interface MergeOptions {
  readonly isAudited: boolean;
  /** For methods that declare `ranks`; null for all others. */
  readonly ranks: Ranks | null;
}

const NO_BYTES = new Uint8Array();
const NO_VALUES = new Float32Array();

/** A memory and those who work in it. */
class Workplace {
  readonly memory = new KernelMemory();
  readonly runner = new TileRunner(this.memory);
  readonly sums = new PieceSums(this.memory, this.runner);
}

/** Compiled kernels and their memory. */
export class CpuKernels {
  readonly #text: (name: string) => string;
  #ofMethod = new WeakMap<Method, Map<string, Kernel>>();
  readonly #measures = new Map<string, Kernel>();
  #workplace = new Workplace();

  /** @param text gives a file of `shaders/` by its name. */
  constructor(text: (name: string) => string = shaderText) {
    this.#text = text;
  }

  /**
   * Merges a whole piece.
   * @param numbers of the whole tensor, or of the lines that the piece touches (`linesOf`).
   * @param out the dtype that results are rounded to.
   * @param storage 'packed': `bytes` as in a file; 'float32': `values`, rounded to `out` and widened.
   * @throws KernelError where the method's kernel is outside the language subset; RangeError where sizes do not fit.
   */
  merge(
    piece: LoadedPiece,
    method: Method,
    numbers: KernelNumbers,
    out: BlendedDtype,
    storage: 'packed' | 'float32',
    options: MergeOptions,
  ): KernelResult {
    const { isAudited, ranks } = options;
    const kernel = this.#kernel(piece, method, numbers, { kind: 'merge', out, storage, isAudited });
    const isPacked = storage === 'packed';
    const size = isPacked ? elementBytes(out) : 4;
    const values = isPacked ? NO_VALUES : new Float32Array(piece.elements);
    const bytes = isPacked ? new Uint8Array(piece.elements * size) : NO_BYTES;
    // Bits are moved, not floats, so that NaN stays as it is.
    const target = isPacked ? bytes : new Uint8Array(values.buffer);
    const { memory, runner } = this.#workplace;
    memory.clear(kernel);
    runner.run(kernel, {
      ...{ piece, numbers, ranks, from: 0, to: piece.elements, atBlocks: false },
      atRows: isByLines(kernel, numbers),
      tile: (from, to) => {
        target.set(memory.u8.subarray(kernel.out, kernel.out + (to - from) * size), from * size);
      },
    });
    const squares = isAudited
      ? Float64Array.from({ length: kernel.quantities }, (_, q) => memory.total(kernel, q))
      : null;
    return { bytes, values, faulty: memory.faulty(kernel), squares };
  }

  /**
   * A sums pass over one piece. Over the tensor: blocks × quantities, blocks as `blocksOf(piece, tensorElements,
   * BLOCK_ELEMENTS)` has them; over rows or columns: quantities × lines, the lines being the rows that the piece
   * touches, or all columns (the piece's rows are whole then).
   * @param ranks for methods that declare them; null for all others.
   */
  sums(
    piece: LoadedPiece,
    method: Method,
    pass: SumPass,
    numbers: KernelNumbers,
    ranks: Ranks | null,
  ): Float64Array<ArrayBuffer> {
    const kernel = this.#kernel(piece, method, numbers, { kind: 'sums', pass });
    const { sums } = this.#workplace;
    const subject = { piece, numbers, ranks };
    if (pass.over === 'column') return sums.overColumns(kernel, subject);
    if (pass.over === 'row') return sums.overRows(kernel, subject);
    return sums.overBlocks(kernel, subject, isByLines(kernel, numbers));
  }

  /**
   * The bits of key `key` of elements [from, to) of the piece, written to the start of `into`. Any length: a whole
   * piece at once costs least.
   * @param ranks for methods that declare them; null for all others.
   */
  keys(
    piece: LoadedPiece,
    method: Method,
    pass: SelectPass,
    numbers: KernelNumbers,
    ranks: Ranks | null,
    key: number,
    from: number,
    to: number,
    into: Uint32Array,
  ): void {
    if (from < 0 || to > piece.elements || to - from > into.length) {
      throw new RangeError(`elements ${from} to ${to} are not ${into.length} of a piece of ${piece.elements}`);
    }
    const kernel = this.#kernel(piece, method, numbers, { kind: 'keys', pass, key });
    const { memory, runner } = this.#workplace;
    runner.run(kernel, {
      ...{ piece, numbers, ranks, from, to, atBlocks: false },
      atRows: isByLines(kernel, numbers),
      tile: (first, end) => {
        into.set(memory.u32.subarray(kernel.out / 4, kernel.out / 4 + end - first), first - from);
      },
    });
  }

  /** The statistics of one piece: all products, absolute values, maxima and changes, in float64. */
  measure(piece: LoadedPiece, kind: MeasureKind): MeasuredPiece {
    const { dtypes } = piece;
    const { from } = kind;
    const { sums } = this.#workplace;
    const subject = { piece, numbers: null, ranks: null };
    let plain: Float64Array | null = null;
    let sizes: Float64Array | null = null;
    if (kind.plain) {
      const kernel = this.#measure({ dtypes, from, over: 'block', isSurveyed: kind.isSurveyed === true });
      const { memory } = this.#workplace;
      if (kernel.sizes) clearSizes(memory, kernel.sizes.address, kernel.sizes.models);
      plain = sums.overBlocks(kernel, subject, false);
      if (kernel.sizes) sizes = sizesAt(memory, kernel.sizes.address, kernel.sizes.models);
      const count = dtypes.length - (from === 'deltas' ? 1 : 0);
      const pairs = pairCount(count);
      for (let at = 0; at < plain.length; at += kernel.quantities) {
        for (let k = 0; k < count; k++) {
          // Sums of absolute values are NaN exactly where an element was.
          if (Number.isNaN(plain[at + pairs + k])) plain[at + pairs + count + k] = Number.NaN;
        }
      }
    }
    let lines: Float64Array | null = null;
    if (kind.axis !== null) {
      const kernel = this.#measure({ dtypes, from, over: kind.axis, isSurveyed: false });
      lines = kind.axis === 'column' ? sums.overColumns(kernel, subject) : sums.overRows(kernel, subject);
    }
    return { plain, lines, sizes };
  }

  /** Gives the memory back; what is asked for next is compiled again. */
  trim(): void {
    this.#ofMethod = new WeakMap();
    this.#measures.clear();
    this.#workplace = new Workplace();
  }

  #kernel(piece: LoadedPiece, method: Method, numbers: KernelNumbers, entry: KernelEntry): Kernel {
    const shape = kernelShape(piece, numbers);
    const key = kernelKey(shape, entry);
    let known = this.#ofMethod.get(method);
    if (!known) {
      known = new Map();
      this.#ofMethod.set(method, known);
    }
    let kernel = known.get(key);
    if (!kernel) {
      kernel = this.#instance(compileKernel(method, shape, entry, this.#text));
      known.set(key, kernel);
    }
    return kernel;
  }

  #measure(shape: MeasureShape): Kernel {
    const key = [shape.from, shape.over, shape.isSurveyed, ...shape.dtypes].join(' ');
    let kernel = this.#measures.get(key);
    if (!kernel) {
      kernel = this.#instance(compileMeasure(shape));
      this.#measures.set(key, kernel);
    }
    return kernel;
  }

  #instance(compiled: CompiledKernel): Kernel {
    const { memory } = this.#workplace;
    memory.fit(compiled.memoryBytes);
    return { ...compiled, run: functionOf(compiled.module, memory.memory) };
  }
}
