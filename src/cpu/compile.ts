/**
 * Compile: a whole kernel of a method as a WebAssembly module: the loop over a tile around its element functions, and
 * what becomes of their results. Baked in is only what changes the code (`kernel-shape.ts`). Not what the functions
 * read (`accessors.ts`), nor the statistics' kernel, which no method writes (`measure.ts`).
 */

import type { Method } from '../methods/method.ts';
import { Accessors } from './accessors.ts';
import { roundLanes } from './codec-lanes.ts';
import type { CompiledKernel } from './compiled-kernel.ts';
import { get, set, store, tee, V, type Code } from './instructions.ts';
import { KernelError } from './kernel-error.ts';
import type { KernelEntry, KernelShape } from './kernel-shape.ts';
import { Spmd } from './spmd.ts';
import { TileLoop } from './tile-loop.ts';
import { promoted, Totals, windowOf } from './totals.ts';
import type { Value } from './value.ts';
import { codeOf, constant } from './vector.ts';
import { parse } from './wgsl.ts';

/** Most columns of which the numbers are in memory at once. */
const WINDOW_COLUMNS = 32_768;

/** The WGSL files of a method. `text` gives a file of `shaders/` by its name. */
function filesOf(method: Method, text: (name: string) => string): { name: string; text: string }[] {
  return [...(method.parts ?? []), method.name].map((name) => ({ name: `shaders/${name}.wgsl`, text: text(name) }));
}

/**
 * Compiles one kernel of a method.
 * @param text gives a file of `shaders/` by its name.
 * @throws KernelError where the text is outside the language subset.
 */
export function compileKernel(
  method: Method,
  shape: KernelShape,
  entry: KernelEntry,
  text: (name: string) => string,
): CompiledKernel {
  const models = shape.dtypes.length - (shape.hasBase ? 1 : 0);
  const loop = new TileLoop();
  const { builder, memory } = loop;

  const isColumnSums = entry.kind === 'sums' && entry.pass.over === 'column';
  const quantities =
    entry.kind === 'sums'
      ? entry.pass.quantities(models)
      : entry.kind === 'merge' && entry.isAudited
        ? shape.dtypes.length + 1
        : 0;
  const window = isColumnSums ? windowOf(quantities) : WINDOW_COLUMNS;
  const totals = new Totals(loop, quantities, isColumnSums ? window : null);
  const faulty = memory.take(16);
  const out = loop.takeElements();

  const accessors = new Accessors({ method, shape, entry, loop, totals, quantities, window });
  const files = filesOf(method, text);
  const program = parse(files);
  const spmd = new Spmd(builder, program, accessors);
  const element: Value = { kind: 'element' };
  const functionName = entry.kind === 'merge' ? 'merge' : entry.pass.name;
  if (!program.functions.has(functionName)) {
    const place = { file: files.at(-1)?.name ?? method.name, line: 1 };
    throw new KernelError(place, `fn ${functionName} is missing`);
  }

  const module = loop.module(() => {
    const args: Value[] = entry.kind === 'keys' ? [constant('u32', entry.key), element] : [element];
    const result = spmd.run(functionName, args);
    if (entry.kind === 'sums') return;
    if (result?.kind !== 'vector' || result.type !== 'f32') {
      throw new KernelError(
        program.functions.get(functionName)?.place ?? { file: method.name, line: 1 },
        `'${functionName}' has to return f32`,
      );
    }
    if (entry.kind === 'keys') {
      builder.emit(loop.bytes.of4, codeOf(builder, result), store.v128(out));
      return;
    }
    const [value, bits, inside] = [builder.local(), builder.local(), builder.local()];
    builder.emit(codeOf(builder, result), set(value), loop.inside, set(inside));
    const rounded = roundLanes(builder, entry.out, value, bits);
    const count = builder.accumulator(faulty);
    // A mask is minus one.
    builder.emit(get(count), rounded.faulty, get(inside), V.and, V.i32x4_sub, set(count));
    if (entry.storage === 'float32' || entry.out === 'F32') {
      builder.emit(loop.bytes.of4, rounded.widened, store.v128(out));
    } else {
      builder.emit(loop.bytes.of2, rounded.bits, rounded.bits, V.i16x8_narrow_u, store.low64(out));
    }
    if (!entry.isAudited) return;
    const square = (q: number, lanes: Code) => {
      const [low, high] = promoted(builder, [...lanes, ...get(inside), ...V.and]);
      const half = builder.scratch('square');
      const squared = (code: Code): Code => [...code, ...tee(half), ...get(half), ...V.f64x2_mul];
      totals.take(q, squared(low), squared(high), V.f64x2_add);
    };
    shape.dtypes.forEach((_, source) => square(source, accessors.source(source, spmd.site).code));
    square(shape.dtypes.length, rounded.widened);
  });
  return {
    module,
    memoryBytes: memory.bytes,
    numbers: accessors.numbers,
    sources: loop.sources,
    randoms: accessors.randoms,
    ranks: accessors.ranks,
    columns: accessors.columns,
    window,
    out,
    faulty,
    totals: totals.address,
    quantities,
    joinOf: () => (entry.kind === 'sums' && entry.pass.isMaximum ? 'float32 maximum' : 'sum'),
    totalsStride: totals.stride,
  };
}
