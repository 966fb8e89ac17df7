/**
 * Accessors: what element functions read and leave behind by name (`delta(k, i)`, `coefficient(n, i)`, `add(q, v)` …),
 * as code, by a method's declaration; and where in memory each of them has its numbers. The same names on the GPU are
 * `gpu/compose.ts`'s. Not the functions that read them (`spmd.ts`), nor who fills the memory (`tile-runner.ts`).
 */

import { LEAST_SET } from '../methods/kernel.ts';
import { type Axis, kernelParameters, type Method } from '../methods/method.ts';
import { AccessorCall } from './accessor-call.ts';
import type { LinedSource, NumberSource, Region } from './compiled-kernel.ts';
import { get, i32, load, S, tee, V, words } from './instructions.ts';
import type { Place } from './kernel-error.ts';
import type { KernelEntry, KernelShape } from './kernel-shape.ts';
import { binary } from './operators.ts';
import { NUMBERS_BYTES, SLACK, TILE_ELEMENTS, type TileLoop } from './tile-loop.ts';
import { promoted, type Totals } from './totals.ts';
import type { Value } from './value.ts';
import { codeOf, computed, constant, type Vector } from './vector.ts';
import type { CodeSite, World } from './world.ts';

/** Random numbers lie this many bytes above their region, so that the tile's first may be any of a block's four. */
export const RANDOM_OFFSET = 16;

/** Bytes of a region of random numbers: a tile's, and whole groups around it. */
const RANDOM_BYTES = (TILE_ELEMENTS + 64) * 4;

/** What accessors are made for. */
interface Accessed {
  readonly method: Method;
  readonly shape: KernelShape;
  readonly entry: KernelEntry;
  readonly loop: TileLoop;
  readonly totals: Totals;
  readonly quantities: number;
  /** Columns of which the numbers are in memory at once. */
  readonly window: number;
}

/** The constants that a method's text may name. */
function constantsOf(method: Method, models: number, hasBase: boolean): Map<string, Vector> {
  const constants = new Map<string, Vector>([
    ['MODELS', constant('u32', models)],
    ['HAS_BASE', constant('bool', hasBase ? 1 : 0)],
  ]);
  for (const [name, p] of Object.entries(method.params)) {
    if (p.kind !== 'choice') continue;
    p.options.forEach((option, n) => constants.set(`${name}_${option}`.toUpperCase(), constant('f32', n)));
  }
  return constants;
}

/** The accessors of one kernel. */
export class Accessors implements World {
  readonly constants: ReadonlyMap<string, Vector>;
  /** What lies in `numbers`, word by word. */
  readonly numbers: NumberSource[] = [];
  /** By model. */
  readonly randoms: Region<number>[] = [];
  readonly ranks: Region<number>[] = [];
  readonly columns: Region<LinedSource>[] = [];
  readonly #of: Accessed;
  readonly #models: number;
  readonly #params: ReadonlySet<string>;
  readonly #perModel: ReadonlySet<string>;

  constructor(of: Accessed) {
    const { method, shape } = of;
    this.#of = of;
    this.#models = shape.dtypes.length - (shape.hasBase ? 1 : 0);
    this.constants = constantsOf(method, this.#models, shape.hasBase);
    this.#params = new Set(kernelParameters(method.params));
    this.#perModel = new Set(kernelParameters(method.perModel));
  }

  /** A source's elements, decoded to float32. */
  source(source: number, site: CodeSite): Vector {
    const { loop, shape } = this.#of;
    const dtype = shape.dtypes[source] ?? 'F32';
    return site.once(`source ${source}`, () => computed('f32', false, loop.source(source, dtype)));
  }

  call(name: string, args: readonly Value[], place: Place, site: CodeSite): Value | null | undefined {
    const own = new AccessorCall(name, args, place);
    switch (name) {
      case 'base':
        own.takes(1, 0);
        return this.#base(site);
      case 'model':
        own.takes(2, 1);
        return this.#model(own.known(0, this.#models, 'the model'), site);
      case 'delta':
        own.takes(2, 1);
        return this.#delta(own.known(0, this.#models, 'the model'), site);
      case 'coefficient':
        own.takes(2, 1);
        return this.#along(this.#of.shape.coefficients, {
          kind: 'coefficient',
          n: own.known(0, this.#models + (this.#of.method.extraCoefficients ?? 0), 'the coefficient'),
        });
      case 'is_set':
        return this.#isSet(own, site);
      case 'random':
        own.takes(2, 1);
        return this.#random(own.known(0, this.#models, 'the model'));
      case 'rank':
        return this.#rank(own);
      case 'row_elements':
        own.takes(0, null);
        return this.#uniform({ kind: 'rowElements' }, 'u32');
      case 'add':
        return this.#add(own, site);
      default:
        return this.#declared(own, site);
    }
  }

  /** Accessors whose names the declaration gives. */
  #declared(own: AccessorCall, site: CodeSite): Value | undefined {
    const { name } = own;
    const [, param] = /^param_(\w+)$/.exec(name) ?? [];
    if (param !== undefined && this.#params.has(param)) {
      own.takes(0, null);
      return this.#uniform({ kind: 'param', name: param }, 'f32');
    }
    const [, number] = /^(\w+)_of$/.exec(name) ?? [];
    if (number !== undefined && this.#perModel.has(number)) {
      own.takes(1, null);
      return this.#uniform({ kind: 'model', name: number, model: own.known(0, this.#models, 'the model') }, 'f32');
    }
    for (const pass of this.#of.method.passes ?? []) {
      if (pass.finds && name === `found_${pass.name}`) {
        own.takes(2, 1);
        const n = own.known(0, pass.finds.width(this.#models), 'the finding');
        const axis = this.#of.shape.found.get(pass.name);
        return axis === undefined ? constant('f32', 0) : this.#along(axis, { kind: 'found', pass: pass.name, n });
      }
      if (pass.kind === 'select' && name === `is_top_${pass.name}`) {
        own.takes(3, 2);
        return this.#isTop(own, pass.name, own.known(0, pass.slots(this.#models), 'the slot'), site);
      }
    }
    return undefined;
  }

  /** A number that all elements of a call share. */
  #uniform(source: NumberSource, type: 'f32' | 'u32'): Vector {
    const key = JSON.stringify(source);
    let slot = this.numbers.findIndex((known) => JSON.stringify(known) === key);
    if (slot < 0) slot = this.numbers.push(source) - 1;
    if (4 * slot >= NUMBERS_BYTES) throw new Error(`${this.#of.method.name}: too many numbers`);
    const { builder } = this.#of.loop;
    return computed(type, true, builder.hoisted(`number ${slot}`, [...i32(0), ...load.splat32(4 * slot)]));
  }

  /** A number along an axis: over columns every element has its own. */
  #along(axis: Axis, source: LinedSource): Vector {
    if (axis !== 'column') return this.#uniform(source, 'f32');
    const { loop, window } = this.#of;
    const key = JSON.stringify(source);
    let region = this.columns.find(({ what }) => JSON.stringify(what) === key);
    if (!region) {
      region = { what: source, address: loop.memory.take((window + SLACK) * 4) };
      this.columns.push(region);
    }
    return computed('f32', false, loop.column, i32(2), S.shl, load.v128(region.address));
  }

  /** The address of what one model has one of per element. */
  #streamOf(regions: Region<number>[], model: number, bytes: number): number {
    const known = regions.find(({ what }) => what === model);
    if (known) return known.address;
    const address = this.#of.loop.memory.take(bytes);
    regions.push({ what: model, address });
    return address;
  }

  #base(site: CodeSite): Vector {
    return this.#of.shape.hasBase ? this.source(0, site) : constant('f32', 0);
  }

  #model(model: number, site: CodeSite): Vector {
    return this.source(model + (this.#of.shape.hasBase ? 1 : 0), site);
  }

  #delta(model: number, site: CodeSite): Vector {
    const own = this.#model(model, site);
    if (!this.#of.shape.hasBase) return own;
    const base = this.#base(site);
    return site.once(`delta ${model}`, () => computed('f32', false, own.code, base.code, V.f32x4_sub));
  }

  #isSet(own: AccessorCall, site: CodeSite): Vector {
    own.takes(1, null);
    const [value] = own.args;
    if (value?.kind !== 'vector') own.fail(`'is_set' takes one number`);
    return binary(this.#of.loop.builder, '>', value, constant('f32', LEAST_SET), own.place, site.temporary);
  }

  #random(model: number): Vector {
    const address = this.#streamOf(this.randoms, model, RANDOM_BYTES);
    return computed('f32', false, this.#of.loop.bytes.of4, load.v128(address + RANDOM_OFFSET));
  }

  #rank(own: AccessorCall): Vector {
    own.takes(2, 1);
    const { method, shape, loop } = this.#of;
    if (!method.ranks) own.fail(`'rank' needs 'ranks' in the method's declaration`);
    const model = own.known(0, this.#models, 'the model');
    const address = this.#streamOf(this.ranks, model, (TILE_ELEMENTS + SLACK) * 4);
    return shape.isShortRanked
      ? computed('u32', false, loop.bytes.of2, load.u16x4(address))
      : computed('u32', false, loop.bytes.of4, load.v128(address));
  }

  /** Takes a value into a total, of the lanes in which the statement takes place and that are inside the run. */
  #add(own: AccessorCall, site: CodeSite): null {
    own.takes(2, null);
    const { entry, loop, totals, quantities } = this.#of;
    const { builder } = loop;
    if (entry.kind !== 'sums') own.fail(`'add' belongs to sums passes`);
    const q = own.known(0, quantities, 'the quantity');
    const [, value] = own.args;
    if (value?.kind !== 'vector' || !['f32', 'float', 'int'].includes(value.type)) own.fail(`'add' takes an f32`);
    const lanes = site.activeLanes();
    const inside = site.once('inside', () => computed('bool', false, loop.inside));
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

  /** Whether a key is above a slot's threshold, or equals it at an index below the slot's cut. */
  #isTop(own: AccessorCall, pass: string, slot: number, site: CodeSite): Vector {
    const { shape, loop } = this.#of;
    const key = own.args[1];
    if (key?.kind !== 'vector' || key.type !== 'f32') own.fail(`'${own.name}' takes an f32 key`);
    if (!shape.selected.has(pass)) return constant('bool', 1);
    const bits = site.temporary();
    const limit = this.#uniform({ kind: 'bits', pass, slot }, 'u32').code;
    const cut = this.#uniform({ kind: 'cut', pass, slot }, 'u32').code;
    const index = site.once('index', () =>
      computed('u32', false, loop.absolute, V.i32x4_splat, words(0, 1, 2, 3), V.i32x4_add),
    );
    return computed(
      'bool',
      false,
      // Keys are not negative, so that their bits are in their order.
      ...[codeOf(loop.builder, key), tee(bits), limit, V.i32x4_gt_u],
      ...[get(bits), limit, V.i32x4_eq, index.code, cut, V.i32x4_lt_u, V.and, V.or],
    );
  }
}
