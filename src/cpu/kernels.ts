/**
 * CpuKernels: a method's kernels on the CPU, one piece at a time: the same WGSL element functions that the GPU runs,
 * compiled to WebAssembly with SIMD (`compile.ts`) and run over tiles that fit the caches. Synchronous; one instance
 * per thread; its memory is a few MB however large a piece is. Not the place that spreads pieces over threads (that is
 * `merge/cpu-arithmetic.ts`), and no oracle: elements are float32, as on the GPU; sums are float64.
 */

import { elementBytes, type BlendedDtype } from '../formats/dtype.ts';
import {
  BLOCK_ELEMENTS,
  blockCount,
  rowsOf,
  type KernelNumbers,
  type Lines,
  type LoadedPiece,
  type MeasuredPiece,
  type MeasureKind,
} from '../methods/kernel.ts';
import { shaderText } from '../methods/index.ts';
import type { Method, SelectPass, SumPass } from '../methods/method.ts';
import {
  compileKernel,
  kernelKey,
  kernelShape,
  RANDOM_OFFSET,
  ranksAreShort,
  UNSET,
  type KernelEntry,
} from './compile.ts';
import { compileMeasure, type MeasureShape } from './measure.ts';
import { PHILOX_GROUP, philoxModule } from './philox.ts';
import { TILE_ELEMENTS, type CompiledKernel, type NumberSource } from './tile-loop.ts';

/**
 * Per model of a piece: the position of |δ| within its row, ascending from 0, of every element of the piece. 16 bits do
 * where `ranksAreShort`.
 */
export type Ranks = readonly (Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>)[];

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
export interface MergeOptions {
  readonly isAudited: boolean;
  /** For methods that declare `ranks`; null for all others. */
  readonly ranks: Ranks | null;
}

export { ranksAreShort };

type Run = (from: number, to: number, absolute: number, shift: number) => void;
type Fill = (address: number, block: number, groups: number, key0: number, key1: number) => void;

interface Kernel extends CompiledKernel {
  readonly run: Run;
}

/** What a kernel runs over, and what is done on the way. */
interface Job {
  readonly piece: LoadedPiece;
  /** Null of the statistics, which read none. */
  readonly numbers: KernelNumbers | null;
  readonly ranks: Ranks | null;
  /** Elements of the piece, [from, to). */
  readonly from: number;
  readonly to: number;
  /** Where runs end beside at a tile's end: at rows, at the tensor's blocks. */
  readonly atRows: boolean;
  readonly atBlocks: boolean;
  /** After a run of elements of the piece, [from, to). */
  readonly after?: (from: number, to: number) => void;
  /** After a tile. */
  readonly tile?: (from: number, to: number) => void;
}

const NO_BYTES = new Uint8Array();
const NO_VALUES = new Float32Array();
const PAGE_BYTES = 65_536;

/** Compiled kernels and their memory. */
export class CpuKernels {
  readonly #text: (name: string) => string;
  #ofMethod = new WeakMap<Method, Map<string, Kernel>>();
  readonly #measures = new Map<string, Kernel>();
  #memory = new WebAssembly.Memory({ initial: 1 });
  #u8 = new Uint8Array(this.#memory.buffer);
  #u16 = new Uint16Array(this.#memory.buffer);
  #u32 = new Uint32Array(this.#memory.buffer);
  #f32 = new Float32Array(this.#memory.buffer);
  #f64 = new Float64Array(this.#memory.buffer);
  #fill: Fill | null = null;

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
    this.#clear(kernel);
    this.#run(kernel, {
      ...{ piece, numbers, ranks, from: 0, to: piece.elements, atBlocks: false },
      atRows: isByLines(kernel, numbers),
      tile: (from, to) => {
        target.set(this.#u8.subarray(kernel.out, kernel.out + (to - from) * size), from * size);
      },
    });
    let faulty = 0;
    for (let lane = 0; lane < 4; lane++) faulty += this.#u32[kernel.faulty / 4 + lane] ?? 0;
    return { bytes, values, faulty, squares: isAudited ? this.#totals(kernel) : null };
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
    const job = { piece, numbers, ranks };
    if (pass.over === 'column') return this.#overColumns(kernel, job);
    if (pass.over === 'row') return this.#overRows(kernel, job);
    return this.#overBlocks(kernel, job, isByLines(kernel, numbers));
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
    this.#run(kernel, {
      ...{ piece, numbers, ranks, from, to, atBlocks: false },
      atRows: isByLines(kernel, numbers),
      tile: (first, end) => {
        into.set(this.#u32.subarray(kernel.out / 4, kernel.out / 4 + end - first), first - from);
      },
    });
  }

  /** The statistics of one piece: all products, absolute values, maxima and changes, in float64. */
  measure(piece: LoadedPiece, kind: MeasureKind): MeasuredPiece {
    const { dtypes } = piece;
    const { from } = kind;
    const job = { piece, numbers: null, ranks: null };
    let plain: Float64Array | null = null;
    if (kind.plain) {
      const kernel = this.#measure({ dtypes, from, over: 'block' });
      plain = this.#overBlocks(kernel, job, false);
      const count = dtypes.length - (from === 'deltas' ? 1 : 0);
      const pairs = (count * (count + 1)) / 2;
      for (let at = 0; at < plain.length; at += kernel.quantities) {
        for (let k = 0; k < count; k++) {
          // Sums of absolute values are NaN exactly where an element was.
          if (Number.isNaN(plain[at + pairs + k])) plain[at + pairs + count + k] = Number.NaN;
        }
      }
    }
    let lines: Float64Array | null = null;
    if (kind.axis !== null) {
      const kernel = this.#measure({ dtypes, from, over: kind.axis });
      lines = kind.axis === 'column' ? this.#overColumns(kernel, job) : this.#overRows(kernel, job);
    }
    return { plain, lines };
  }

  /** Gives the memory back; what is asked for next is compiled again. */
  trim(): void {
    this.#ofMethod = new WeakMap();
    this.#measures.clear();
    this.#fill = null;
    this.#memory = new WebAssembly.Memory({ initial: 1 });
    this.#look();
  }

  /** Views of the memory as it is now. */
  #look(): void {
    const { buffer } = this.#memory;
    this.#u8 = new Uint8Array(buffer);
    this.#u16 = new Uint16Array(buffer);
    this.#u32 = new Uint32Array(buffer);
    this.#f32 = new Float32Array(buffer);
    this.#f64 = new Float64Array(buffer);
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
    const key = [shape.from, shape.over, ...shape.dtypes].join(' ');
    let kernel = this.#measures.get(key);
    if (!kernel) {
      kernel = this.#instance(compileMeasure(shape));
      this.#measures.set(key, kernel);
    }
    return kernel;
  }

  #instance(compiled: CompiledKernel): Kernel {
    const missing = compiled.memoryBytes - this.#u8.length;
    if (missing > 0) {
      this.#memory.grow(Math.ceil(missing / PAGE_BYTES));
      this.#look();
    }
    return { ...compiled, run: exported<Run>(compiled.module, this.#memory) };
  }

  /** Puts zeros where a kernel adds to. */
  #clear(kernel: Kernel): void {
    const bytes = kernel.quantities * (kernel.totalsStride || 16);
    this.#f64.fill(0, kernel.totals / 8, (kernel.totals + bytes) / 8);
    this.#u32.fill(0, kernel.faulty / 4, kernel.faulty / 4 + 4);
  }

  #totals(kernel: Kernel): Float64Array<ArrayBuffer> {
    return Float64Array.from({ length: kernel.quantities }, (_, q) => this.#total(kernel, q));
  }

  /** The total of a quantity since `#clear`. */
  #total(kernel: Kernel, q: number): number {
    const at = kernel.totals / 8 + 2 * q;
    const join = kernel.joinOf(q);
    if (join === 'float32 maximum') {
      const [a, b, c, d] = this.#f32.subarray(2 * at, 2 * at + 4);
      return Math.max(a ?? 0, b ?? 0, c ?? 0, d ?? 0);
    }
    const [a, b] = [this.#f64[at] ?? 0, this.#f64[at + 1] ?? 0];
    return join === 'sum' ? a + b : Math.max(a, b);
  }

  #overBlocks(
    kernel: Kernel,
    job: Pick<Job, 'piece' | 'numbers' | 'ranks'>,
    atRows: boolean,
  ): Float64Array<ArrayBuffer> {
    const { piece } = job;
    const { quantities } = kernel;
    const out = new Float64Array(blockCount(piece, piece.tensorElements, BLOCK_ELEMENTS) * quantities);
    const firstBlock = Math.floor(piece.start / BLOCK_ELEMENTS);
    let block = -1;
    const keep = () => {
      if (block >= 0) for (let q = 0; q < quantities; q++) out[block * quantities + q] = this.#total(kernel, q);
    };
    this.#clear(kernel);
    this.#run(kernel, {
      ...job,
      ...{ from: 0, to: piece.elements, atRows, atBlocks: true },
      after: (from, to) => {
        block = Math.floor((piece.start + from) / BLOCK_ELEMENTS) - firstBlock;
        if ((piece.start + to) % BLOCK_ELEMENTS !== 0 && to !== piece.elements) return;
        keep();
        this.#clear(kernel);
      },
    });
    return out;
  }

  #overRows(kernel: Kernel, job: Pick<Job, 'piece' | 'numbers' | 'ranks'>): Float64Array<ArrayBuffer> {
    const { piece } = job;
    const { first, count } = rowsOf(piece);
    const out = new Float64Array(kernel.quantities * count);
    this.#clear(kernel);
    this.#run(kernel, {
      ...job,
      ...{ from: 0, to: piece.elements, atRows: true, atBlocks: false },
      after: (from, to) => {
        if ((piece.start + to) % piece.rowElements !== 0 && to !== piece.elements) return;
        const row = Math.floor((piece.start + from) / piece.rowElements) - first;
        for (let q = 0; q < kernel.quantities; q++) out[q * count + row] = this.#total(kernel, q);
        this.#clear(kernel);
      },
    });
    return out;
  }

  #overColumns(kernel: Kernel, job: Pick<Job, 'piece' | 'numbers' | 'ranks'>): Float64Array<ArrayBuffer> {
    const { piece } = job;
    const { rowElements, elements, start } = piece;
    if (start % rowElements !== 0 || elements % rowElements !== 0) {
      throw new RangeError(`${piece.tensor}: a sum over columns needs whole rows`);
    }
    const out = new Float64Array(kernel.quantities * rowElements);
    const { window, totals, totalsStride } = kernel;
    for (let column = 0; column < rowElements; column += window) {
      const end = Math.min(rowElements, column + window);
      this.#clear(kernel);
      // Of rows that fit, as many at once as there are; of longer ones the window's part of each.
      const step = end - column === rowElements ? elements : rowElements;
      for (let at = 0; at < elements; at += step) {
        const [from, to] = end - column === rowElements ? [0, elements] : [at + column, at + end];
        this.#run(kernel, { ...job, from, to, atRows: true, atBlocks: false });
      }
      for (let q = 0; q < kernel.quantities; q++) {
        const address = (totals + q * totalsStride) / 8;
        out.set(this.#f64.subarray(address, address + end - column), q * rowElements + column);
      }
    }
    return out;
  }

  /** Runs a kernel over a part of a piece, tile by tile. */
  #run(kernel: Kernel, job: Job): void {
    const { piece, numbers, to } = job;
    const { start, rowElements } = piece;
    const { window } = kernel;
    this.#require(kernel, job);
    const hasColumns = kernel.columns.length > 0 || kernel.totalsStride > 0;
    if (numbers) this.#setNumbers(kernel, piece, numbers, Math.floor((start + job.from) / rowElements), true);
    let row = Math.floor((start + job.from) / rowElements);
    let windowAt = -1;
    for (let at = job.from; at < to; ) {
      let end = Math.min(to, at + TILE_ELEMENTS);
      if (hasColumns && rowElements > window) {
        // A tile stays within its row's window.
        const column = (start + at) % rowElements;
        end = Math.min(end, at + window - (column % window), at + rowElements - column);
      }
      this.#load(kernel, job, at, end);
      for (let from = at; from < end; ) {
        let stop = end;
        if (job.atRows) stop = Math.min(stop, from + rowElements - ((start + from) % rowElements));
        if (job.atBlocks) stop = Math.min(stop, from + BLOCK_ELEMENTS - ((start + from) % BLOCK_ELEMENTS));
        let shift = 0;
        if (job.atRows) {
          const own = Math.floor((start + from) / rowElements);
          if (numbers && own !== row) this.#setNumbers(kernel, piece, numbers, own, false);
          row = own;
          if (hasColumns) {
            const column = (start + from) % rowElements;
            const first = column - (column % window);
            if (numbers && first !== windowAt) this.#setColumns(kernel, piece, numbers, first);
            windowAt = first;
            shift = column - first - (from - at);
          }
        }
        kernel.run(from - at, stop - at, (start + at) | 0, shift);
        job.after?.(from, stop);
        from = stop;
      }
      job.tile?.(at, end);
      at = end;
    }
  }

  #require(kernel: Kernel, { piece, numbers, ranks }: Job): void {
    piece.dtypes.forEach((dtype, s) => {
      const wanted = piece.elements * elementBytes(dtype);
      if (piece.bytes[s]?.length !== wanted) {
        throw new RangeError(`${piece.tensor}: source ${s} has ${piece.bytes[s]?.length} bytes, not ${wanted}`);
      }
    });
    for (const { what } of kernel.ranks) {
      if (ranks?.[what]?.length !== piece.elements) throw new RangeError(`${piece.tensor}: model ${what} has no ranks`);
    }
    for (const { what } of kernel.randoms) {
      if (!numbers?.streams[what]) throw new RangeError(`${piece.tensor}: model ${what} has no random stream`);
    }
  }

  /** Brings what a tile reads into memory. */
  #load(kernel: Kernel, { piece, numbers, ranks }: Job, from: number, to: number): void {
    for (const { what, address } of kernel.sources) {
      const size = elementBytes(piece.dtypes[what] ?? 'F32');
      const bytes = piece.bytes[what];
      if (bytes) this.#u8.set(bytes.subarray(from * size, to * size), address);
    }
    for (const { what, address } of kernel.ranks) {
      const own = ranks?.[what];
      if (!own) continue;
      if (ranksAreShort(piece.rowElements)) this.#u16.set(own.subarray(from, to), address / 2);
      else this.#u32.set(own.subarray(from, to), address / 4);
    }
    const first = piece.start + from;
    const lane = first % 4;
    for (const { what, address } of kernel.randoms) {
      const key = numbers?.streams[what];
      if (!key) continue;
      const groups = Math.ceil((lane + to - from) / PHILOX_GROUP);
      this.#fill ??= exported<Fill>(philoxModule(), this.#memory);
      this.#fill(address + RANDOM_OFFSET - 4 * lane, Math.floor(first / 4) | 0, groups, key[0] | 0, key[1] | 0);
    }
  }

  /** Writes the numbers that are the same all over a row; `isFirst`: also those of the whole tensor. */
  #setNumbers(kernel: Kernel, piece: LoadedPiece, numbers: KernelNumbers, row: number, isFirst: boolean): void {
    kernel.numbers.forEach((source, slot) => {
      if (source.kind === 'coefficient' || source.kind === 'found') {
        const lines = linesFor(source, numbers);
        if (!lines || (!isFirst && lines.lines === 1)) return;
        this.#f32[slot] = lines.values[lineAt(piece, lines, source.n, row)] ?? 0;
      } else if (isFirst) {
        this.#setNumber(slot, source, piece, numbers);
      }
    });
  }

  #setNumber(slot: number, source: NumberSource, piece: LoadedPiece, numbers: KernelNumbers): void {
    switch (source.kind) {
      case 'param':
        this.#f32[slot] = settled(numbers.params[source.name]);
        break;
      case 'model':
        this.#f32[slot] = settled(numbers.perModel[source.model]?.[source.name]);
        break;
      case 'bits':
      case 'cut': {
        const slots = numbers.slots.get(source.pass);
        this.#u32[slot] = (source.kind === 'bits' ? slots?.bits : slots?.cuts)?.[source.slot] ?? 0;
        break;
      }
      case 'rowElements':
        this.#u32[slot] = piece.rowElements;
        break;
      default:
    }
  }

  /** Writes the numbers along columns of the window that begins at `first`. */
  #setColumns(kernel: Kernel, piece: LoadedPiece, numbers: KernelNumbers, first: number): void {
    const end = Math.min(piece.rowElements, first + kernel.window);
    for (const { what, address } of kernel.columns) {
      const lines = linesFor(what, numbers);
      if (!lines) continue;
      if (lines.lines !== piece.rowElements) {
        throw new RangeError(`${piece.tensor}: ${lines.lines} columns of numbers, not ${piece.rowElements}`);
      }
      const from = what.n * lines.lines;
      this.#f32.set(lines.values.subarray(from + first, from + end), address / 4);
    }
  }
}

function exported<T>(module: WebAssembly.Module, memory: WebAssembly.Memory): T {
  // What `moduleOf` exports; the engine types it as any export.
  return new WebAssembly.Instance(module, { env: { memory } }).exports.run as T;
}

/** A parameter as kernels see it. */
function settled(value: number | undefined): number {
  return value === undefined || Number.isNaN(value) ? UNSET : value;
}

function linesFor(source: NumberSource, numbers: KernelNumbers): Lines | null {
  if (source.kind === 'coefficient') return numbers.coefficients;
  return source.kind === 'found' ? (numbers.found.get(source.pass) ?? null) : null;
}

/** Index of number n of a row: of the whole tensor's lines, or of those that the piece touches. */
function lineAt(piece: LoadedPiece, lines: Lines, n: number, row: number): number {
  if (lines.lines === 1) return n;
  const all = piece.tensorElements / piece.rowElements;
  if (lines.lines === all) return n * lines.lines + row;
  const { first, count } = rowsOf(piece);
  if (lines.lines !== count) throw new RangeError(`${piece.tensor}: ${lines.lines} rows of numbers, not ${all}`);
  return n * lines.lines + row - first;
}

/** Whether a kernel's numbers differ from row to row or from column to column. */
function isByLines(kernel: CompiledKernel, numbers: KernelNumbers): boolean {
  return (
    kernel.columns.length > 0 ||
    kernel.numbers.some((source) => {
      const lines = linesFor(source, numbers);
      return lines !== null && lines.lines > 1;
    })
  );
}
