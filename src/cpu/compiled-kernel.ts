/**
 * CompiledKernel: a kernel's module, where in memory it finds what it reads, and where it leaves results and totals. Not
 * how it is made (`compile.ts`, `measure.ts`), nor how it is run (`tile-runner.ts`).
 */

/** Where a number of `numbers` comes from. */
export type NumberSource =
  | { readonly kind: 'param'; readonly name: string }
  | { readonly kind: 'model'; readonly name: string; readonly model: number }
  | LinedSource
  | { readonly kind: 'bits' | 'cut'; readonly pass: string; readonly slot: number }
  | { readonly kind: 'rowElements' };

/** A number that may lie along an axis. */
export type LinedSource =
  | { readonly kind: 'coefficient'; readonly n: number }
  | { readonly kind: 'found'; readonly pass: string; readonly n: number };

/** Whether a number may lie along an axis. */
export function isLined(source: NumberSource): source is LinedSource {
  return source.kind === 'coefficient' || source.kind === 'found';
}

/** Something of which a part lies in memory. */
export interface Region<T> {
  readonly what: T;
  /** In bytes. */
  readonly address: number;
}

/** A kernel and what it needs in memory. */
export interface CompiledKernel {
  /** Exports `run(from, to, absolute, shift)`: see `PARAMS` in `tile-loop.ts`. */
  readonly module: WebAssembly.Module;
  /** Bytes that the memory has to have. */
  readonly memoryBytes: number;
  /** One 32-bit word each, from address 0: the same for all elements of a call. */
  readonly numbers: readonly NumberSource[];
  /** By source: its elements as they lie in the file. */
  readonly sources: readonly Region<number>[];
  /** Models whose random numbers, or ranks, are read. */
  readonly randoms: readonly Region<number>[];
  readonly ranks: readonly Region<number>[];
  /** Numbers along columns: `window` float32 each. */
  readonly columns: readonly Region<LinedSource>[];
  /** Columns of which there is room at once, in `columns` and in totals over columns. */
  readonly window: number;
  /** Address of results: bits of keys, or merged elements as they are stored. */
  readonly out: number;
  /** Address of a merge's count of results that are NaN or infinite, in four 32-bit lanes. */
  readonly faulty: number;
  /** Address of totals: `TOTAL_BYTES` each, in lanes that are to be joined as `joinOf` says; or `totalsStride` each over columns. */
  readonly totals: number;
  readonly quantities: number;
  /**
   * Whether a total's lanes are two float64 to be added, two of which the larger counts, four float32 likewise, or four
   * counts to be added.
   */
  readonly joinOf: (quantity: number) => 'sum' | 'maximum' | 'float32 maximum' | 'count';
  /** Bytes from one quantity's column totals (float64) to the next one's; 0 where totals are not over columns. */
  readonly totalsStride: number;
  /** Where it counts changes by size, per model (see `size-counts.ts`); absent where it does not. */
  readonly sizes?: { readonly address: number; readonly models: number };
}
