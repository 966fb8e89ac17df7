/**
 * Reducing: sums over the pieces of a batch, in as many submissions as their partial sums need. How a sum is divided
 * is `reduction.ts`; what is summed is the kernel's.
 */

import {
  type MeasuredPiece,
  type MeasureKind,
  measuredQuantities,
  pairCount,
  SIZE_BINS,
  surveyQuantities,
} from '../methods/kernel.ts';
import type { Method, SumPass } from '../methods/method.ts';
import type { Batch } from './batch.ts';
import { measuredCount, modelCount } from './compose.ts';
import { encodeNumbers, type NumberedPiece } from './numbers.ts';
import { addPart, dispatchFields, emptyResult, partsOf, type Reduction, type ReductionPart } from './reduction.ts';
import type { Dispatch } from './submission.ts';
import { groupsWithin, type Workspace } from './workspace.ts';

/** The exact factor by which measure.wgsl scales values. */
const MEASURE_SCALE = 2 ** 20;

/** A reduction over one piece of a batch with the kernel that does it. */
interface Job {
  readonly piece: number;
  readonly reduction: Reduction;
  readonly numbers: Uint32Array | null;
  readonly pipeline: GPUComputePipeline;
  /** Where what the kernel counts beside its sums is added up; null where it counts nothing. */
  readonly counts: Float64Array | null;
}

/** A sums pass of a method: see `Arithmetic.sums`. */
export async function sumPieces(
  space: Workspace,
  batch: Batch,
  method: Method,
  pass: SumPass,
  work: readonly NumberedPiece[],
): Promise<Float64Array[]> {
  const jobs = await Promise.all(
    work.map(async ({ piece, numbers }): Promise<Job> => {
      const shape = batch.shape(piece);
      const quantities = pass.quantities(modelCount(shape));
      return {
        piece,
        reduction: { shape, over: pass.over, quantities, isMaximum: pass.isMaximum === true },
        numbers: encodeNumbers(method, shape, numbers).words,
        pipeline: await space.kernels.sums(method, pass, shape),
        counts: null,
      };
    }),
  );
  return reduce(space, batch, jobs, method);
}

/** Statistics: see `Arithmetic.measure`. */
export async function measurePieces(
  space: Workspace,
  batch: Batch,
  pieces: readonly number[],
  { plain, axis, from, isSurveyed = false }: MeasureKind,
): Promise<MeasuredPiece[]> {
  const axes = [...(plain ? (['tensor'] as const) : []), ...(axis ? [axis] : [])];
  const jobs = await Promise.all(
    pieces.flatMap((piece) =>
      axes.map(async (over): Promise<Job> => {
        const shape = batch.shape(piece);
        const isPlain = over === 'tensor';
        const count = measuredCount(shape, from);
        const hasSurvey = isPlain && isSurveyed;
        const quantities = measuredQuantities(count, isPlain) + (hasSurvey ? surveyQuantities(count) : 0);
        return {
          piece,
          reduction: { shape, over, quantities, isMaximum: false },
          numbers: null,
          pipeline: await space.kernels.measure(shape, { from, isPlain, isSurveyed: hasSurvey }, over),
          counts: hasSurvey ? new Float64Array(count * SIZE_BINS) : null,
        };
      }),
    ),
  );
  const results = await reduce(space, batch, jobs, null);
  return pieces.map((piece, p) => {
    const count = measuredCount(batch.shape(piece), from);
    const own = results.slice(p * axes.length, (p + 1) * axes.length);
    const blocks = plain ? (own[0] ?? null) : null;
    const lines = axis ? (own.at(-1) ?? null) : null;
    const quantities = measuredQuantities(count, true) + (isSurveyed ? surveyQuantities(count) : 0);
    if (blocks) unscale(blocks, count, (i) => i % quantities);
    if (lines) {
      const width = lines.length / measuredQuantities(count, false);
      unscale(lines, count, (i) => Math.floor(i / width));
    }
    return { plain: blocks, lines, sizes: plain ? (jobs[p * axes.length]?.counts ?? null) : null };
  });
}

/** Takes the kernel's factor out of partial sums: squares carry it twice, counts not at all. */
function unscale(values: Float64Array, count: number, quantityOf: (i: number) => number): void {
  const pairs = pairCount(count);
  for (let i = 0; i < values.length; i++) {
    const q = quantityOf(i);
    const factor = q < pairs ? MEASURE_SCALE * MEASURE_SCALE : q < pairs + 2 * count ? MEASURE_SCALE : 1;
    values[i] = (values[i] ?? 0) / factor;
  }
}

/** @param ranked the method whose ranks the kernels may ask for, or null. */
async function reduce(
  space: Workspace,
  batch: Batch,
  jobs: readonly Job[],
  ranked: Method | null,
): Promise<Float64Array[]> {
  const results = jobs.map(({ reduction }) => emptyResult(reduction));
  const parts = jobs.flatMap(({ reduction }, of) => [...partsOf(reduction, of, space.limitBytes / 4)]);
  const groups = groupsWithin(parts, space.limitBytes, ({ of, words }) => [
    words * 4,
    space.rankBytes(batch, ranked, jobs[of]?.piece ?? 0),
  ]);
  for (const group of groups) {
    const floats = await runGroup(space, batch, jobs, group, ranked);
    let at = 0;
    for (const part of group) {
      const reduction = jobs[part.of]?.reduction;
      const result = results[part.of];
      if (reduction && result) addPart(reduction, part, floats.subarray(at, at + part.words), result);
      at += part.words;
    }
  }
  return results;
}

/** The partial sums of some parts, one after another. */
function runGroup(
  space: Workspace,
  batch: Batch,
  jobs: readonly Job[],
  group: readonly ReductionPart[],
  ranked: Method | null,
): Promise<Float32Array> {
  return space.lend(async (take) => {
    const pieces = group.map(({ of }) => jobs[of]?.piece ?? 0);
    const ranking = await space.ranking(batch, ranked, pieces, take);
    const words = group.reduce((sum, part) => sum + part.words, 0);
    const result = take(words * 4);
    let word = 0;
    let counters = 0;
    const dispatches = group.flatMap((part): Dispatch[] => {
      const job = jobs[part.of];
      if (!job) return [];
      const { fields, groups } = dispatchFields(job.reduction, part);
      const outputWord = word;
      word += part.words;
      const counter = counters;
      counters += job.counts?.length ?? 0;
      const scratchWord = ranking.wordOf(job.piece);
      return [
        {
          fields: { ...batch.fields(job.piece), ...fields, outputWord, counter, scratchWord },
          numbers: job.numbers,
          pipeline: job.pipeline,
          groups,
          result,
          scratch: ranking.range,
        },
      ];
    });
    const wanted = { buffer: result.buffer, bytes: words * 4 };
    const read = await space.run(batch, [...ranking.dispatches, ...dispatches], [wanted], counters);
    let at = 0;
    for (const { of } of group) {
      const counts = jobs[of]?.counts;
      counts?.forEach((count, i) => {
        counts[i] = count + (read.counters[at + i] ?? 0);
      });
      at += counts?.length ?? 0;
    }
    return new Float32Array(read.parts[0]?.buffer ?? new ArrayBuffer(0));
  });
}
