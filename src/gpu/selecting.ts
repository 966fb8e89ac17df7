/**
 * Selecting: what an exact selection asks of a batch's keys (keys.wgsl): counts by a digit, counts of equal keys by
 * block, and the bits of one block. Not the selection itself (`merge/selection.ts`).
 */

import type { Method, SelectPass } from '../methods/method.ts';
import type { Batch } from './batch.ts';
import { encodeNumbers, type NumberedPiece } from './numbers.ts';
import { blocksAlong } from './reduction.ts';
import type { BufferRange, Dispatch, PieceFields } from './submission.ts';
import { groupsWithin, type Take, type Workspace } from './workspace.ts';

/** Elements that one workgroup counts, and threads of the list: the same numbers stand in keys.wgsl. */
const STRETCH_ELEMENTS = 16384;
const KEY_LANES = 256;

type KeyKernel = 'count_digits' | 'count_equals' | 'list_keys';

/** The keys that are asked about. */
export interface KeySource {
  readonly batch: Batch;
  readonly method: Method;
  readonly pass: SelectPass;
}

/** One dispatch of keys.wgsl over a piece. */
interface KeyJob extends NumberedPiece {
  /** The queries' words: a key, and what its bits are compared with. */
  readonly pairs: readonly number[];
  readonly groups: number;
  readonly fields?: Partial<PieceFields>;
}

/** Counts keys by a digit: see `Arithmetic.histogram`. */
export async function countDigits(
  space: Workspace,
  source: KeySource,
  work: readonly (NumberedPiece & { readonly queries: readonly { readonly key: number; readonly prefix: number }[] })[],
  digit: { readonly shift: number; readonly width: number },
): Promise<Uint32Array[]> {
  const { batch, method } = source;
  const bins = 2 ** digit.width;
  const out: Uint32Array[] = [];
  const groups = groupsWithin(work, space.limitBytes, ({ piece, queries }) => [
    queries.length * bins * 4,
    space.rankBytes(batch, method, piece),
  ]);
  for (const group of groups) {
    let counters = 0;
    const jobs = group.map(({ piece, numbers, queries }) => {
      const stretches = Math.ceil(batch.shape(piece).elements / STRETCH_ELEMENTS);
      const counter = counters;
      counters += queries.length * bins;
      const pairs = queries.flatMap(({ key, prefix }) => [key, prefix]);
      return { piece, numbers, pairs, groups: queries.length * stretches, fields: { ...digit, counter } };
    });
    const counted = await space.lend(async (take) => {
      const dispatches = await keyDispatches(space, source, 'count_digits', jobs, take(4), take);
      return (await space.run(batch, dispatches, [], counters)).counters;
    });
    for (const { fields, pairs } of jobs) {
      out.push(counted.slice(fields.counter, fields.counter + (pairs.length / 2) * bins));
    }
  }
  return out;
}

/** Counts keys with exactly some bits: see `Arithmetic.countEqual`. */
export async function countEquals(
  space: Workspace,
  source: KeySource,
  work: readonly (NumberedPiece & { readonly queries: readonly { readonly key: number; readonly bits: number }[] })[],
): Promise<Uint32Array[]> {
  const { batch, method } = source;
  const jobs = work.map(({ piece, numbers, queries }) => {
    const shape = batch.shape(piece);
    const words = queries.length * blocksAlong(shape, shape.tensorElements);
    return { piece, numbers, pairs: queries.flatMap(({ key, bits }) => [key, bits]), groups: words, words };
  });
  const groups = groupsWithin(jobs, space.limitBytes, ({ piece, words }) => [
    words * 4,
    space.rankBytes(batch, method, piece),
  ]);
  const out: Uint32Array[] = [];
  for (const group of groups) out.push(...(await readKeys(space, source, 'count_equals', group)));
  return out;
}

/** The bits of one key of some elements: see `Arithmetic.keys`. */
export async function listKeys(
  space: Workspace,
  source: KeySource,
  work: NumberedPiece & { readonly key: number; readonly from: number; readonly to: number },
): Promise<Uint32Array> {
  const { piece, numbers, key, from, to } = work;
  const words = to - from;
  const groups = Math.ceil(words / KEY_LANES);
  const job = { piece, numbers, pairs: [key], groups, words, fields: { firstItem: from } };
  const [bits] = await readKeys(space, source, 'list_keys', [job]);
  return bits ?? new Uint32Array();
}

/** Runs kernels that write words, and gives each piece's. */
function readKeys(
  space: Workspace,
  source: KeySource,
  kernel: KeyKernel,
  jobs: readonly (KeyJob & { readonly words: number })[],
): Promise<Uint32Array[]> {
  return space.lend(async (take) => {
    let total = 0;
    const placed = jobs.map((job) => {
      const outputWord = total;
      total += job.words;
      return { ...job, fields: { ...job.fields, outputWord, items: job.words } };
    });
    const result = take(total * 4);
    const dispatches = await keyDispatches(space, source, kernel, placed, result, take);
    const read = await space.run(source.batch, dispatches, [{ buffer: result.buffer, bytes: total * 4 }], 0);
    const all = new Uint32Array(read.parts[0]?.buffer ?? new ArrayBuffer(0));
    return placed.map(({ fields }) => all.slice(fields.outputWord, fields.outputWord + fields.items));
  });
}

async function keyDispatches(
  space: Workspace,
  { batch, method, pass }: KeySource,
  kernel: KeyKernel,
  jobs: readonly KeyJob[],
  result: BufferRange,
  take: Take,
): Promise<Dispatch[]> {
  const pieces = jobs.map(({ piece }) => piece);
  const ranking = await space.ranking(batch, method, pieces, take);
  const dispatches = await Promise.all(
    jobs.map(async ({ piece, numbers, pairs, groups, fields }): Promise<Dispatch> => {
      const shape = batch.shape(piece);
      const { words, extraAt } = encodeNumbers(method, shape, numbers, pairs);
      const scratchWord = ranking.wordOf(piece);
      return {
        fields: { ...batch.fields(piece), items: groups, ...fields, scratchWord, queries: extraAt },
        numbers: words,
        pipeline: await space.kernels.keys(method, pass, shape, kernel),
        groups,
        result,
        scratch: ranking.range,
      };
    }),
  );
  return [...ranking.dispatches, ...dispatches];
}
