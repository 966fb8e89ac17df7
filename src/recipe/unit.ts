/**
 * Unit: which part of a model a tensor belongs to, read from its name alone. A layer is all tensors under
 * `….layers.N.` (or `.h.N.`, `.blocks.N.`); a module is a layer's tensors that share the next path part; tensors
 * outside layers are units of their own.
 */

import type { Unit } from '../methods/method.ts';

/** Where a tensor sits. */
export interface Place {
  /** Layer number, or null outside the layers. */
  readonly layer: number | null;
  /** `self_attn`, `mlp`, `input_layernorm` …; outside the layers the tensor's name without `.weight`/`.bias`. */
  readonly module: string;
  /** Path up to and including the layer number, or null. */
  readonly layerPath: string | null;
}

const LAYER = /^((?:.*?\.)?(?:layers|h|blocks|block|layer)\.(\d+))\.(.+)$/;

/** Places that were found. One name is asked about many times over, and a large model has a hundred thousand names. */
const found = new Map<string, Place>();
/** Names whose places are remembered, at most; beyond it all are forgotten. */
const MOST_FOUND = 200_000;

/** Finds the place of a tensor from its name. */
export function placeOf(tensor: string): Place {
  const known = found.get(tensor);
  if (known) return known;
  const place = placeIn(tensor);
  if (found.size >= MOST_FOUND) found.clear();
  found.set(tensor, place);
  return place;
}

/** The same, and nothing is remembered: for one walk over all names. */
export function placeIn(tensor: string): Place {
  const match = LAYER.exec(tensor);
  const [, layerPath, layer, rest] = match ?? [];
  if (layerPath === undefined || layer === undefined || rest === undefined) {
    return { layer: null, module: tensor.replace(/\.(weight|bias)$/, ''), layerPath: null };
  }
  return { layer: Number(layer), module: rest.split('.')[0] ?? rest, layerPath };
}

/**
 * The key of the unit that a tensor belongs to at a granularity; tensors with equal keys are pooled. Rows and
 * elements lie within a tensor, so their key is the tensor's own.
 */
export function unitKey(tensor: string, unit: Unit): string {
  const place = placeOf(tensor);
  switch (unit) {
    case 'model':
      return '*';
    case 'layer':
      return place.layerPath ?? tensor;
    case 'module':
      return place.layerPath === null ? tensor : `${place.layerPath}.${place.module}`;
    case 'tensor':
    case 'row':
    case 'element':
      return tensor;
    default:
      return unit satisfies never;
  }
}
