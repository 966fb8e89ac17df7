/**
 * Compile: a whole kernel as a WebAssembly module: the loop over a tile around a method's element functions, their
 * accessors by its declaration. Baked in is only what changes the code: dtypes,
 * the number of models, which numbers lie along which axis. Lengths and numbers are data.
 */

import type { BlendedDtype } from '../formats/dtype.ts';
import type { KernelNumbers, Lines, PieceShape } from '../methods/kernel.ts';
import type { Axis, Method, Parameters, SelectPass, SumPass } from '../methods/method.ts';
import { roundLanes } from './codec-lanes.ts';
import { KernelError, type Place } from './kernel-error.ts';
import { Spmd, type Value, type World } from './spmd.ts';
import {
  NUMBERS_BYTES,
  promoted,
  SLACK,
  TILE_ELEMENTS,
  TileLoop,
  Totals,
  windowOf,
  type CompiledKernel,
  type NumberSource,
  type Region,
} from './tile-loop.ts';
import { binary, codeOf, computed, constant, isInteger, type Vector } from './vector.ts';
import { get, i32, load, S, set, store, tee, V, words, type Code } from './wasm.ts';
import { parse } from './wgsl.ts';

/** Most columns of which the numbers are in memory at once. */
const WINDOW_COLUMNS = 32_768;
/** Random numbers lie this far above their region, so that the tile's first may be any of a block's four. */
export const RANDOM_OFFSET = 16;

/** How kernels see a number that is not set; the same stands in `gpu/numbers.ts`. */
export const UNSET = -3.4028234663852886e38;

/** What a kernel of a method depends on, beside the method. */
export interface KernelShape {
  readonly hasBase: boolean;
  readonly dtypes: readonly BlendedDtype[];
  readonly coefficients: Axis;
  /** The axis of every pass's findings; a pass that is absent reads as zero. */
  readonly found: ReadonlyMap<string, Axis>;
  /** Selections that were done. */
  readonly selected: ReadonlySet<string>;
  /** Whether ranks are given in 16 bits. */
  readonly isShortRanked: boolean;
}

/** What is to be computed. */
export type KernelEntry =
  | {
      readonly kind: 'merge';
      readonly out: BlendedDtype;
      readonly storage: 'packed' | 'float32';
      readonly isAudited: boolean;
    }
  | { readonly kind: 'sums'; readonly pass: SumPass }
  | { readonly kind: 'keys'; readonly pass: SelectPass; readonly key: number };

/** Numbers along an axis of which there is only one line are the same everywhere. */
function axisOf(lines: Lines): Axis {
  return lines.lines === 1 ? 'tensor' : lines.over;
}

/** Whether 16 bits hold the ranks within a row. */
export function ranksAreShort(rowElements: number): boolean {
  return rowElements <= 2 ** 16;
}

/** The shape of the kernel that a piece needs with these numbers. */
export function kernelShape(piece: PieceShape, numbers: KernelNumbers): KernelShape {
  return {
    hasBase: piece.hasBase,
    dtypes: piece.dtypes,
    coefficients: axisOf(numbers.coefficients),
    found: new Map([...numbers.found].map(([name, lines]) => [name, axisOf(lines)])),
    selected: new Set(numbers.slots.keys()),
    isShortRanked: ranksAreShort(piece.rowElements),
  };
}

/** A text that is the same for the same kernel of one method. */
export function kernelKey(shape: KernelShape, entry: KernelEntry): string {
  const { hasBase, dtypes, coefficients, found, selected, isShortRanked } = shape;
  const own =
    entry.kind === 'merge'
      ? [entry.out, entry.storage, entry.isAudited]
      : [entry.pass.name, entry.kind === 'keys' ? entry.key : ''];
  return [
    entry.kind,
    ...own,
    hasBase,
    ...dtypes,
    coefficients,
    ...[...found].flat(),
    '|',
    ...selected,
    '|',
    isShortRanked,
  ].join(' ');
}

/** The WGSL files of a method. `text` gives a file of `shaders/` by its name. */
function filesOf(method: Method, text: (name: string) => string): { name: string; text: string }[] {
  return [...(method.parts ?? []), method.name].map((name) => ({ name: `shaders/${name}.wgsl`, text: text(name) }));
}

function kernelParameters(parameters: Parameters): Set<string> {
  return new Set(
    Object.entries(parameters)
      .filter(([, p]) => p.kind !== 'ignored')
      .map(([name]) => name),
  );
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
  const first = shape.hasBase ? 1 : 0;
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

  const numbers: NumberSource[] = [];
  const randoms: Region<number>[] = [];
  const ranks: Region<number>[] = [];
  const columns: Region<NumberSource & { readonly kind: 'coefficient' | 'found' }>[] = [];

  const uniform = (source: NumberSource, type: 'f32' | 'u32'): Vector => {
    const key = JSON.stringify(source);
    let slot = numbers.findIndex((own) => JSON.stringify(own) === key);
    if (slot < 0) slot = numbers.push(source) - 1;
    if (4 * slot >= NUMBERS_BYTES) throw new Error(`${method.name}: too many numbers`);
    return computed(type, true, builder.hoisted(`number ${slot}`, [...i32(0), ...load.splat32(4 * slot)]));
  };
  const along = (axis: Axis, source: NumberSource & { readonly kind: 'coefficient' | 'found' }): Vector => {
    if (axis !== 'column') return uniform(source, 'f32');
    const key = JSON.stringify(source);
    let region = columns.find(({ what }) => JSON.stringify(what) === key);
    if (!region) {
      region = { what: source, address: memory.take((window + SLACK) * 4) };
      columns.push(region);
    }
    return computed('f32', false, loop.column, i32(2), S.shl, load.v128(region.address));
  };
  const streamOf = (regions: Region<number>[], model: number, bytes: number): number => {
    const known = regions.find(({ what }) => what === model);
    if (known) return known.address;
    const address = memory.take(bytes);
    regions.push({ what: model, address });
    return address;
  };

  const own = kernelParameters(method.params);
  const perModel = kernelParameters(method.perModel);
  const constants = new Map<string, Vector>([
    ['MODELS', constant('u32', models)],
    ['HAS_BASE', constant('bool', shape.hasBase ? 1 : 0)],
  ]);
  for (const [name, p] of Object.entries(method.params)) {
    if (p.kind !== 'choice') continue;
    p.options.forEach((option, n) => constants.set(`${name}_${option}`.toUpperCase(), constant('f32', n)));
  }

  const sourceValue = (source: number): Vector =>
    spmd.once(`source ${source}`, () => computed('f32', false, loop.source(source, shape.dtypes[source] ?? 'F32')));
  const base = (): Vector => (shape.hasBase ? sourceValue(0) : constant('f32', 0));

  const call = (name: string, args: readonly Value[], place: Place): Value | null | undefined => {
    /** Argument n, which has to be known while code is made. */
    const known = (n: number, limit: number, what: string): number => {
      const arg = args[n];
      if (arg?.kind !== 'vector' || arg.constant === null || !isInteger(arg.type)) {
        throw new KernelError(place, `${what} of '${name}' has to be a constant or a loop's variable`);
      }
      if (arg.constant < 0 || arg.constant >= limit) {
        throw new KernelError(place, `${what} of '${name}' is ${arg.constant}, and there are ${limit}`);
      }
      return arg.constant;
    };
    const takes = (count: number, element: number | null): void => {
      if (args.length !== count) throw new KernelError(place, `'${name}' takes ${count} values, not ${args.length}`);
      if (element !== null && args[element]?.kind !== 'element') {
        throw new KernelError(place, `'${name}' has to be handed the element's own index`);
      }
    };
    switch (name) {
      case 'base':
        takes(1, 0);
        return base();
      case 'model':
        takes(2, 1);
        return sourceValue(first + known(0, models, 'the model'));
      case 'delta': {
        takes(2, 1);
        const source = first + known(0, models, 'the model');
        if (!shape.hasBase) return sourceValue(source);
        const [of, from] = [sourceValue(source), base()];
        return spmd.once(`delta ${source}`, () => computed('f32', false, of.code, from.code, V.f32x4_sub));
      }
      case 'coefficient':
        takes(2, 1);
        return along(shape.coefficients, {
          kind: 'coefficient',
          n: known(0, models + (method.extraCoefficients ?? 0), 'the coefficient'),
        });
      case 'is_set': {
        takes(1, null);
        const [value] = args;
        if (value?.kind !== 'vector') throw new KernelError(place, `'is_set' takes one number`);
        return binary(builder, '>', value, constant('f32', Math.fround(-3e38)), place, spmd.temporary);
      }
      case 'random': {
        takes(2, 1);
        const address = streamOf(randoms, known(0, models, 'the model'), (TILE_ELEMENTS + 64) * 4);
        return computed('f32', false, loop.bytes.of4, load.v128(address + RANDOM_OFFSET));
      }
      case 'rank': {
        takes(2, 1);
        if (!method.ranks) throw new KernelError(place, `'rank' needs 'ranks' in the method's declaration`);
        const address = streamOf(ranks, known(0, models, 'the model'), (TILE_ELEMENTS + SLACK) * 4);
        return shape.isShortRanked
          ? computed('u32', false, loop.bytes.of2, load.u16x4(address))
          : computed('u32', false, loop.bytes.of4, load.v128(address));
      }
      case 'row_elements':
        takes(0, null);
        return uniform({ kind: 'rowElements' }, 'u32');
      case 'add': {
        takes(2, null);
        if (entry.kind !== 'sums') throw new KernelError(place, `'add' belongs to sums passes`);
        const q = known(0, quantities, 'the quantity');
        const [, value] = args;
        if (value?.kind !== 'vector' || !['f32', 'float', 'int'].includes(value.type)) {
          throw new KernelError(place, `'add' takes an f32`);
        }
        const lanes = spmd.activeLanes();
        const inside = spmd.once('inside', () => computed('bool', false, loop.inside));
        const amount = codeOf(builder, value.constant === null ? value : constant('f32', value.constant));
        const masked = [...amount, ...inside.code, ...V.and, ...(lanes ? [...lanes, ...V.and] : [])];
        if (entry.pass.isMaximum) {
          totals.takeMaximum(q, masked);
        } else {
          const [low, high] = promoted(builder, masked);
          totals.take(q, low, high, V.f64x2_add);
        }
        return null;
      }
      default:
    }
    const [, param] = /^param_(\w+)$/.exec(name) ?? [];
    if (param !== undefined && own.has(param)) {
      takes(0, null);
      return uniform({ kind: 'param', name: param }, 'f32');
    }
    const [, number] = /^(\w+)_of$/.exec(name) ?? [];
    if (number !== undefined && perModel.has(number)) {
      takes(1, null);
      return uniform({ kind: 'model', name: number, model: known(0, models, 'the model') }, 'f32');
    }
    const passes = method.passes ?? [];
    const found = passes.find((pass) => name === `found_${pass.name}`);
    if (found?.finds) {
      takes(2, 1);
      const n = known(0, found.finds.width(models), 'the finding');
      const axis = shape.found.get(found.name);
      return axis === undefined ? constant('f32', 0) : along(axis, { kind: 'found', pass: found.name, n });
    }
    const top = passes.find((pass) => pass.kind === 'select' && name === `is_top_${pass.name}`);
    if (top?.kind === 'select') {
      takes(3, 2);
      const slot = known(0, top.slots(models), 'the slot');
      const key = args[1];
      if (key?.kind !== 'vector' || key.type !== 'f32') throw new KernelError(place, `'${name}' takes an f32 key`);
      if (!shape.selected.has(top.name)) return constant('bool', 1);
      const bits = spmd.temporary();
      const limit = uniform({ kind: 'bits', pass: top.name, slot }, 'u32').code;
      const cut = uniform({ kind: 'cut', pass: top.name, slot }, 'u32').code;
      const index = spmd.once('index', () =>
        computed('u32', false, loop.absolute, V.i32x4_splat, words(0, 1, 2, 3), V.i32x4_add),
      );
      return computed(
        'bool',
        false,
        ...[codeOf(builder, key), tee(bits), limit, V.i32x4_gt_u],
        ...[get(bits), limit, V.i32x4_eq, index.code, cut, V.i32x4_lt_u, V.and, V.or],
      );
    }
    return undefined;
  };

  const world: World = { constants, call };
  const files = filesOf(method, text);
  const program = parse(files);
  const spmd = new Spmd(builder, program, world);
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
    shape.dtypes.forEach((_, source) => square(source, sourceValue(source).code));
    square(shape.dtypes.length, rounded.widened);
  });
  return {
    module,
    memoryBytes: memory.bytes,
    numbers,
    sources: loop.sources,
    randoms,
    ranks,
    columns,
    window,
    out,
    faulty,
    totals: totals.address,
    quantities,
    joinOf: () => (entry.kind === 'sums' && entry.pass.isMaximum ? 'float32 maximum' : 'sum'),
    totalsStride: totals.stride,
  };
}
