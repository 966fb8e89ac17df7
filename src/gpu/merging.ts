/**
 * Merging: a method's `merge` over the pieces of a batch, into bytes for a file or into live buffers, and the squares
 * that an audit compares.
 */

import { type BlendedDtype, elementBytes } from '../formats/dtype.ts';
import type { BlockForm } from '../formats/block-quantised.ts';
import type { Method } from '../methods/method.ts';
import type { Batch } from './batch.ts';
import type { QuantiseWork } from './block-quantising.ts';
import { wholeWords } from './buffers.ts';
import { MERGE_ELEMENTS, MERGE_LANES } from './compose.ts';
import { encodeNumbers, type NumberedPiece } from './numbers.ts';
import { dispatchFields, itemsOf, type Reduction } from './reduction.ts';
import { type BufferRange, type Dispatch, OFFSET_BYTES, type Wanted } from './submission.ts';
import { groupsWithin, type Ranking, type Take, type Workspace } from './workspace.ts';

/** A piece to be merged, and the dtype to which it is rounded. */
export interface OutputWork extends NumberedPiece {
  readonly out: BlendedDtype;
}

/** What became of a piece: see `MergedPiece` in `merge/arithmetic.ts`. */
export interface Output {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly faulty: number;
  readonly squares: Float64Array | null;
}

/** Where a tensor is held live: its values in float32, or codes and scales of its matrix (`shape` as in the checkpoint). */
export type LivePlace =
  | { readonly form: 'f32'; readonly buffer: GPUBuffer }
  | {
      readonly form: BlockForm;
      readonly shape: readonly number[];
      readonly buffer: GPUBuffer;
      readonly scales: GPUBuffer;
    };

/** Where each piece of a group lies in its result. */
interface Place {
  readonly offset: number;
  readonly bytes: number;
}

/** Merges into bytes: see `Arithmetic.merge`. */
export async function mergePieces(
  space: Workspace,
  batch: Batch,
  method: Method,
  work: readonly OutputWork[],
  isAudited: boolean,
): Promise<Output[]> {
  const groups = groupsWithin(work, space.limitBytes, ({ piece, out }) => [
    wholeWords(batch.shape(piece).elements * elementBytes(out)),
    space.rankBytes(batch, method, piece),
  ]);
  const merged: Output[] = [];
  for (const group of groups) merged.push(...(await mergeGroup(space, batch, method, group, isAudited)));
  return merged;
}

function mergeGroup(
  space: Workspace,
  batch: Batch,
  method: Method,
  group: readonly OutputWork[],
  isAudited: boolean,
): Promise<Output[]> {
  return space.lend(async (take) => {
    let total = 0;
    const places = group.map(({ piece, out }): Place => {
      const bytes = batch.shape(piece).elements * elementBytes(out);
      const offset = total;
      total += wholeWords(bytes);
      return { offset, bytes };
    });
    const result = take(total);
    const pieces = group.map(({ piece }) => piece);
    const ranking = await space.ranking(batch, method, pieces, take);
    const merges = await Promise.all(
      group.map((item, counter) => {
        const outputWord = (places[counter]?.offset ?? 0) / 4;
        return mergeDispatch(space, batch, method, item, ranking, 'packed', { counter, outputWord, result });
      }),
    );
    const audit = isAudited ? await auditOf(space, batch, group, places, result, take) : null;
    const read = await space.run(
      batch,
      [...ranking.dispatches, ...merges, ...(audit?.dispatches ?? [])],
      [{ buffer: result.buffer, bytes: total }, ...(audit ? [audit.wanted] : [])],
      group.length,
    );
    const bytes = read.parts[0] ?? new Uint8Array();
    const squares = audit?.squares(new Float32Array(read.parts[1]?.buffer ?? new ArrayBuffer(0)));
    return places.map((place, n) => ({
      bytes: bytes.slice(place.offset, place.offset + place.bytes),
      faulty: read.counters[n] ?? 0,
      squares: squares?.[n] ?? null,
    }));
  });
}

/** The dispatches that sum squares of the sources and of what was merged, by blocks, and how they are added up. */
async function auditOf(
  space: Workspace,
  batch: Batch,
  group: readonly OutputWork[],
  places: readonly Place[],
  merged: BufferRange,
  take: Take,
): Promise<{
  readonly dispatches: readonly Dispatch[];
  readonly wanted: Wanted;
  readonly squares: (floats: Float32Array) => Float64Array[];
}> {
  let words = 0;
  const parts = group.map(({ piece, out }, n) => {
    const shape = batch.shape(piece);
    const reduction: Reduction = { shape, over: 'tensor', quantities: shape.dtypes.length + 1, isMaximum: false };
    const items = itemsOf(reduction);
    const outputWord = words;
    words += items * reduction.quantities;
    return { piece, out, reduction, items, outputWord, scratchWord: (places[n]?.offset ?? 0) / 4 };
  });
  const result = take(words * 4);
  const dispatches = await Promise.all(
    parts.map(async ({ piece, out, reduction, items, outputWord, scratchWord }): Promise<Dispatch> => {
      const { fields, groups } = dispatchFields(reduction, { firstItem: 0, items });
      return {
        fields: { ...batch.fields(piece), ...fields, outputWord, scratchWord },
        numbers: null,
        pipeline: await space.kernels.audit(reduction.shape, out),
        groups,
        result,
        scratch: merged,
      };
    }),
  );
  const squares = (floats: Float32Array) =>
    parts.map(({ reduction: { quantities }, items, outputWord }) => {
      const sums = new Float64Array(quantities);
      for (let n = 0; n < items * quantities; n++) {
        sums[n % quantities] = (sums[n % quantities] ?? 0) + (floats[outputWord + n] ?? 0);
      }
      return sums;
    });
  return { dispatches, wanted: { buffer: result.buffer, bytes: words * 4 }, squares };
}

/**
 * Merges into live buffers: see `Arithmetic.mergeInto`.
 * @param placeOf where a tensor is held.
 */
export async function mergePiecesInto(
  space: Workspace,
  batch: Batch,
  method: Method,
  work: readonly OutputWork[],
  placeOf: (tensor: string) => LivePlace,
): Promise<number[]> {
  const faulty: number[] = [];
  const groups = groupsWithin(work, space.limitBytes, ({ piece }) => [
    space.rankBytes(batch, method, piece),
    placeOf(batch.shape(piece).tensor).form === 'f32' ? 0 : draftBytes(batch.shape(piece).elements),
  ]);
  for (const group of groups) {
    const counted = await space.lend(async (take) => {
      const pieces = group.map(({ piece }) => piece);
      const ranking = await space.ranking(batch, method, pieces, take);
      const { places, quantising } = placesOf(batch, pieces, placeOf, take);
      const merges = await Promise.all(
        group.map((item, counter) => {
          const place = places[counter];
          if (!place) throw new Error('a piece without a place');
          return mergeDispatch(space, batch, method, item, ranking, 'float32', { counter, ...place });
        }),
      );
      const ready = await space.quantiser.prepare(quantising);
      try {
        const dispatches = [...ranking.dispatches, ...merges];
        return (await space.run(batch, dispatches, [], group.length, ready.encode)).counters;
      } finally {
        ready.end();
      }
    });
    faulty.push(...counted);
  }
  return faulty;
}

/** Bytes that a piece takes in float32 before it is quantised. */
function draftBytes(elements: number): number {
  return Math.ceil((elements * 4) / OFFSET_BYTES) * OFFSET_BYTES;
}

/** Where the pieces of a group are merged to: their own range of what is live, or a draft that is quantised then. */
function placesOf(
  batch: Batch,
  pieces: readonly number[],
  placeOf: (tensor: string) => LivePlace,
  take: Take,
): { places: { outputWord: number; result: BufferRange }[]; quantising: QuantiseWork[] } {
  const live = pieces.map((piece) => ({ shape: batch.shape(piece), place: placeOf(batch.shape(piece).tensor) }));
  const total = live.reduce(
    (sum, { shape, place }) => sum + (place.form === 'f32' ? 0 : draftBytes(shape.elements)),
    0,
  );
  const draft = total > 0 ? take(total) : null;
  const quantising: QuantiseWork[] = [];
  let drafted = 0;
  const places = live.map(({ shape, place }) => {
    const { tensor, start, elements } = shape;
    const bytes = elements * 4;
    if (place.form === 'f32' || !draft) {
      // Bound is only the range that the piece writes: a tensor may be larger than one binding.
      const first = start * 4;
      const offset = first - (first % OFFSET_BYTES);
      const result = { buffer: place.buffer, offset, size: first - offset + bytes };
      return { outputWord: (first - offset) / 4, result };
    }
    const { form, shape: whole, buffer: values, scales } = place;
    const source = { buffer: draft.buffer, offset: drafted, size: bytes };
    quantising.push({ tensor, form, shape: whole, start, elements, source, values, scales });
    const outputWord = drafted / 4;
    drafted += draftBytes(elements);
    return { outputWord, result: draft };
  });
  return { places, quantising };
}

async function mergeDispatch(
  space: Workspace,
  batch: Batch,
  method: Method,
  { piece, numbers, out }: OutputWork,
  ranking: Ranking,
  storage: 'packed' | 'float32',
  {
    counter,
    outputWord,
    result,
  }: { readonly counter: number; readonly outputWord: number; readonly result: BufferRange },
): Promise<Dispatch> {
  const shape = batch.shape(piece);
  return {
    fields: { ...batch.fields(piece), counter, outputWord, scratchWord: ranking.wordOf(piece) },
    numbers: encodeNumbers(method, shape, numbers).words,
    pipeline: await space.kernels.merge(method, shape, { out, storage }),
    groups: Math.ceil(shape.elements / (MERGE_LANES * MERGE_ELEMENTS)),
    result,
    scratch: ranking.range,
  };
}
