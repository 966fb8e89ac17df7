/**
 * NameIndex: where each of a model's tensors stands in its stacks, found in one walk over the names and remembered with
 * them, since controls ask again with every gesture. Not which tensors a filter finds (`filter-reach.ts`).
 */

import { stackPlaceOf } from './stack.ts';
import { placeIn } from './unit.ts';

/** What is known of a list of names. */
export interface NameIndex {
  /** Every stack with its number of layers: one more than the highest number. */
  readonly stacks: ReadonlyMap<string, number>;
  /** Per name: its stack, by place in `stacks`; -1 outside all. */
  readonly stackOf: Int32Array;
  /** Per name: its layer; -1 outside the layers. */
  readonly layerOf: Int32Array;
  /** The modules of the layers, in the order in which they first come. */
  readonly modules: readonly string[];
  /** In their order, names that differ by more than the number of their layer: of each such kind the first. */
  readonly kinds: readonly NameKind[];
}

/** A name that stands for those that differ from it by the number of their layer. */
export interface NameKind {
  readonly name: string;
  /** What stands below the layer's number; null outside the layers. */
  readonly rest: string | null;
}

/** Names that are walked before others get a turn: a few milliseconds. */
const SLICE = 4000;

const known = new WeakMap<readonly string[], NameIndex>();

/** The index of some names, made at once where nobody made it before. */
export function nameIndexOf(names: readonly string[]): NameIndex {
  const before = known.get(names);
  if (before) return before;
  const steps = indexing(names);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** Makes the index in steps, between which others may have their turn, and remembers it: there may be 100 000 names. */
export function* indexing(names: readonly string[]): Generator<undefined, NameIndex> {
  const stacks = new Map<string, number>();
  const places = new Map<string, number>();
  const stackOf = new Int32Array(names.length).fill(-1);
  const layerOf = new Int32Array(names.length).fill(-1);
  const modules = new Set<string>();
  const seen: Set<string>[] = [];
  const kinds: NameKind[] = [];
  for (const [i, name] of names.entries()) {
    if (i % SLICE === SLICE - 1) yield;
    const inModel = placeIn(name);
    const inStack = stackPlaceOf(name, inModel);
    if (inStack === null) {
      kinds.push({ name, rest: null });
      continue;
    }
    const { stack, layer, rest } = inStack;
    const place = places.get(stack) ?? places.size;
    places.set(stack, place);
    stacks.set(stack, Math.max(stacks.get(stack) ?? 0, layer + 1));
    stackOf[i] = place;
    layerOf[i] = layer;
    modules.add(inModel.module);
    const rests = seen[place] ?? new Set();
    seen[place] = rests;
    if (rests.has(rest)) continue;
    rests.add(rest);
    kinds.push({ name, rest });
  }
  const index = { stacks, stackOf, layerOf, modules: [...modules], kinds };
  known.set(names, index);
  return index;
}
