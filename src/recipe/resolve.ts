/**
 * Resolve: a recipe's parameters at one tensor, as the numbers that kernels take. mergekit's rules: the model's own
 * parameters, then those of its slice, its module and the top level, then the default; a list over the layers is interpolated; of a filtered list
 * the first entry whose filter is part of the tensor's name counts.
 */

import { defaults, encodeValue, type Method, type Parameter, type Parameters, type Values } from '../methods/method.ts';
import type { Gradient, ParameterValues, Recipe, Scalar } from './recipe.ts';
import { placeOf } from './unit.ts';

/** Number of layers: one more than the highest layer number in the names; 0 where there are none. */
export function layerCountOf(tensorNames: Iterable<string>): number {
  let count = 0;
  for (const name of tensorNames) {
    const { layer } = placeOf(name);
    if (layer !== null && layer >= count) count = layer + 1;
  }
  return count;
}

/**
 * Where a tensor lies between the first layer (0) and the last (1). Tensors outside the layers lie at 0, as in
 * mergekit, so `lm_head` gets a list's first value; in a model with a single layer, that layer lies at 1.
 */
export function depthOf(tensorName: string, layerCount: number): number {
  const { layer } = placeOf(tensorName);
  if (layer === null) return 0;
  return layerCount <= 1 ? 1 : Math.min(1, layer / (layerCount - 1));
}

/** Recipe form to kernel form. A switch is on for every number but zero, which interpolation can make of it. */
function encode(p: Parameter, value: Scalar): number {
  const number = encodeValue(p, value);
  return p.kind === 'boolean' ? Number(number !== 0) : number;
}

function evaluate(p: Parameter, value: Gradient, depth: number): number {
  if (typeof value !== 'object') return encode(p, value);
  const last = value.length - 1;
  const x = depth * last;
  const i = Math.min(Math.floor(x), last);
  const low = value[i];
  const high = value[Math.min(i + 1, last)];
  if (low === undefined || high === undefined) return Number.NaN;
  if (typeof low === 'string' || typeof high === 'string') return encode(p, low);
  const fraction = x - i;
  return encode(p, (1 - fraction) * Number(low) + fraction * Number(high));
}

/** The value in one scope, or null where the scope says nothing about this tensor. */
function lookUp(scope: ParameterValues, name: string, p: Parameter, tensorName: string, depth: number): number | null {
  const value = scope[name];
  if (value === undefined) return null;
  if (value.form === 'everywhere') return evaluate(p, value.value, depth);
  for (const { filter, value: entry } of value.entries) {
    if (filter === null || filter === '*' || tensorName.includes(filter)) return evaluate(p, entry, depth);
  }
  return null;
}

/**
 * Values by depth, of scopes whose values no tensor's name decides: most recipes say the same of all tensors, and then all
 * share them. Null where there are filters.
 */
const shared = new WeakMap<readonly ParameterValues[], Map<Parameters, Map<number, Values> | null>>();

function isFiltered(scopes: readonly ParameterValues[], declared: Parameters): boolean {
  return scopes.some((scope) => Object.keys(declared).some((name) => scope[name]?.form === 'filtered'));
}

function valuesIn(scopes: readonly ParameterValues[], declared: Parameters, tensorName: string, depth: number): Values {
  let byDeclared = shared.get(scopes);
  if (!byDeclared) {
    byDeclared = new Map();
    shared.set(scopes, byDeclared);
  }
  let byDepth = byDeclared.get(declared);
  if (byDepth === undefined) {
    byDepth = isFiltered(scopes, declared) ? null : new Map();
    byDeclared.set(declared, byDepth);
  }
  const known = byDepth?.get(depth);
  if (known) return known;
  const values = lookUpAll(scopes, declared, tensorName, depth);
  byDepth?.set(depth, values);
  return values;
}

function lookUpAll(
  scopes: readonly ParameterValues[],
  declared: Parameters,
  tensorName: string,
  depth: number,
): Values {
  const out: Record<string, number> = { ...defaults(declared) };
  for (const [name, p] of Object.entries(declared)) {
    if (p.kind === 'ignored') continue;
    for (const scope of scopes) {
      const value = lookUp(scope, name, p, tensorName, depth);
      if (value === null) continue;
      out[name] = value;
      break;
    }
  }
  return out;
}

/** One model's way to a tensor: its name in that model, and the scopes that are asked, the innermost first. */
export interface ModelScopes {
  readonly tensor: string;
  readonly scopes: readonly ParameterValues[];
}

/** A tensor of the result with the scopes that decide its parameters. */
export interface TensorScopes {
  /** Its name in the result. */
  readonly tensor: string;
  /** From 0 (the first layer of its slice) to 1 (the last). */
  readonly depth: number;
  /** For parameters that all models share, the innermost first: slice, module, recipe. */
  readonly scopes: readonly ParameterValues[];
  readonly models: readonly ModelScopes[];
}

/**
 * The parameters at one tensor of the result, by mergekit's rules: what all models share is asked with the name in the
 * result, what belongs to a model with its own name for the tensor (the two differ where layers are moved). Numbers
 * that are not set and have no default are NaN.
 */
export function resolveAt(
  method: Method,
  { tensor, depth, scopes, models }: TensorScopes,
): { readonly params: Values; readonly perModel: Values[] } {
  return {
    params: valuesIn(scopes, method.params, tensor, depth),
    perModel: models.map((model) => valuesIn(model.scopes, method.perModel, model.tensor, depth)),
  };
}

/**
 * The parameters at one tensor of a recipe that lists `models`. `perModel` follows `recipe.models`. Numbers that are
 * not set and have no default are NaN. `layerCount` is the model's (see `layerCountOf`).
 */
export function resolveValues(
  recipe: Recipe,
  method: Method,
  tensorName: string,
  layerCount: number,
): { readonly params: Values; readonly perModel: Values[] } {
  return resolveAt(method, {
    tensor: tensorName,
    depth: depthOf(tensorName, layerCount),
    scopes: [recipe.parameters],
    models: recipe.models.map((model) => ({ tensor: tensorName, scopes: [model.parameters, recipe.parameters] })),
  });
}
