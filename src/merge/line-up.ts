/**
 * Line up: from slots to a lineup's tensors: finds each tensor's bytes in every model, holds shapes and dtypes against
 * each other, and says what does not fit. Which slots there are is `slots.ts`; the words for what does not fit are
 * `misfits.ts`; whether it refuses the merge is `check.ts`.
 */

import type { Checkpoint, TensorEntry } from '../formats/checkpoint.ts';
import { isBlended, type BlendedDtype } from '../formats/dtype.ts';
import type { Method } from '../methods/method.ts';
import type { Recipe } from '../recipe/recipe.ts';
import { resolveAt } from '../recipe/resolve.ts';
import { stackPlaceOf } from '../recipe/stack.ts';
import type { BlendTensor, CopiedTensor } from './lineup.ts';
import type { Embeddings } from './embeddings.ts';
import { entryAt, type ModelPlace, type Place, type Slot } from './slots.ts';

/** Something in one checkpoint that does not fit the lead of its slot. */
export interface Misfit {
  readonly kind: 'missing' | 'absent-everywhere' | 'optional' | 'shape' | 'dtype';
  /** The tensor's name in the result. */
  readonly tensor: string;
  readonly lead: Place & { readonly entry: TensorEntry };
  readonly other: Place & { readonly entry: TensorEntry | null };
}

/** What the token rows of a slot become; members and entries in the order base, models. */
export type RowsOf = Embeddings['rowsOf'];

/** What came of the slots. */
export interface LinedUp {
  readonly tensors: readonly BlendTensor[];
  readonly copied: readonly CopiedTensor[];
  readonly order: readonly string[];
  readonly misfits: readonly Misfit[];
}

/** Tensors that some exports of a model carry and others do not: buffers and biases that loaders do without. */
const OPTIONAL = /\.bias$|\.rotary_emb\.inv_freq$|\.position_ids$|\.attn\.masked_bias$/;

/** Buffers that old exports carry and every loader computes for itself. */
export const COMPUTED = /\.rotary_emb\.inv_freq$|\.attn\.(bias|masked_bias)$/;

/**
 * Lines up. @param rowsOf gives the entries of tensors with a row per token where those rows are rebuilt or cut; null
 * where they stay.
 */
export function lineUp(recipe: Recipe, method: Method, slots: readonly Slot[], rowsOf: RowsOf): LinedUp {
  const tensors: BlendTensor[] = [];
  const copied: CopiedTensor[] = [];
  const order: string[] = [];
  const misfits: Misfit[] = [];
  const isLackedBy = lackedTemplates(slots);
  for (const slot of slots) {
    const entry = entryAt(slot.lead);
    if (!entry) continue;
    order.push(slot.name);
    const made = lineUpOne(recipe, method, slot, entry, rowsOf, isLackedBy, misfits);
    if ('entry' in made) copied.push(made);
    else tensors.push(made);
  }
  return { tensors, copied, order, misfits };
}

/** A tensor's name without its layer's number. */
function templateOf(name: string): string {
  const place = stackPlaceOf(name);
  return place ? `${place.stack}.*.${place.rest}` : name;
}

/**
 * Whether a checkpoint lacks a tensor in every layer where the recipe looks for it: then no shard is missing. All names
 * are gone through at the first question, which is not asked where nothing is lacking.
 */
function lackedTemplates(slots: readonly Slot[]): (checkpoint: Checkpoint, name: string) => boolean {
  let present: ReadonlyMap<Checkpoint, ReadonlySet<string>> | null = null;
  return (checkpoint, name) => {
    present ??= templatesIn(slots);
    return !present.get(checkpoint)?.has(templateOf(name));
  };
}

function templatesIn(slots: readonly Slot[]): ReadonlyMap<Checkpoint, ReadonlySet<string>> {
  const present = new Map<Checkpoint, Set<string>>();
  for (const { models } of slots) {
    for (const place of models) {
      if (!entryAt(place)) continue;
      const own = present.get(place.checkpoint) ?? new Set();
      own.add(templateOf(place.name));
      present.set(place.checkpoint, own);
    }
  }
  return present;
}

function lineUpOne(
  recipe: Recipe,
  method: Method,
  slot: Slot,
  entry: TensorEntry,
  rowsOf: RowsOf,
  isLackedBy: (checkpoint: Checkpoint, name: string) => boolean,
  misfits: Misfit[],
): BlendTensor | CopiedTensor {
  const copy: CopiedTensor = { name: slot.name, entry };
  const lead = { ...slot.lead, entry };
  const report = (kind: Misfit['kind'], other: Place, its: TensorEntry | null): void => {
    misfits.push({ kind, tensor: slot.name, lead, other: { ...other, entry: its } });
  };
  if (slot.models.length === 0) return copy;
  const baseEntry = slot.base ? entryAt(slot.base) : undefined;
  if (slot.base && !baseEntry) {
    report('missing', slot.base, null);
    return copy;
  }
  const found: { place: ModelPlace; entry: TensorEntry }[] = [];
  const lacking: ModelPlace[] = [];
  for (const place of slot.models) {
    const own = entryAt(place);
    if (own) found.push({ place, entry: own });
    else lacking.push(place);
  }
  const isNowhere = found.length === 0 && lacking.every(({ checkpoint, name }) => isLackedBy(checkpoint, name));
  for (const place of lacking) {
    if (COMPUTED.test(slot.name)) continue;
    report(isNowhere ? 'absent-everywhere' : OPTIONAL.test(slot.name) ? 'optional' : 'missing', place, null);
  }
  if (found.length < Math.max(1, Math.min(method.models.min, slot.models.length))) return copy;

  const places: Place[] = [...(slot.base ? [slot.base] : []), ...found.map(({ place }) => place)];
  const stored = [...(baseEntry ? [baseEntry] : []), ...found.map((own) => own.entry)];
  const members = places.flatMap(({ checkpoint }, i) => (stored[i] ? [{ checkpoint, entry: stored[i] }] : []));
  const sources = rowsOf(slot, members) ?? stored;
  const [model = entry] = sources;
  // Rows that were cut or rebuilt have a shape of their own.
  const shape = sources === stored ? entry.shape : model.shape;
  let isSound = true;
  sources.forEach((source, i) => {
    const place = places[i];
    if (!place) return;
    const isBroken = isBlended(source.dtype) !== isBlended(entry.dtype);
    if (!isSameShape(source.shape, shape)) {
      report('shape', place, source);
      isSound = false;
    } else if (isBroken || (source.dtype !== entry.dtype && sources === stored)) {
      report('dtype', place, source);
      if (isBroken) isSound = false;
    }
  });
  const dtypes = sources.map((source) => source.dtype);
  if (!isSound || !dtypes.every(isBlended) || !isBlended(entry.dtype)) return copy;
  const elements = shape.reduce((product, n) => product * n, 1);
  const storedDtypes = stored.map((source) => source.dtype).filter(isBlended);
  return {
    name: slot.name,
    shape,
    elements,
    rowElements: shape.length >= 2 ? elements / Math.max(1, shape[0] ?? 1) : elements,
    sources,
    dtypes,
    hasBase: baseEntry !== undefined,
    modelOf: found.map(({ place }) => place.model),
    ...resolveAt(method, {
      tensor: slot.name,
      depth: slot.depth,
      scopes: slot.scopes,
      models: found.map(({ place }) => ({ tensor: place.name, scopes: place.scopes })),
    }),
    out: recipe.outDtype ?? (method.base === 'required' ? entry.dtype : promoted(storedDtypes)),
  };
}

function isSameShape(a: readonly number[], b: readonly number[]): boolean {
  return a === b || (a.length === b.length && a.every((n, i) => n === b[i]));
}

/** PyTorch's promotion, which mergekit's linear follows: equal dtypes stay, mixed ones become F32. */
function promoted(dtypes: readonly BlendedDtype[]): BlendedDtype {
  const [first = 'F32'] = dtypes;
  return dtypes.every((dtype) => dtype === first) ? first : 'F32';
}
