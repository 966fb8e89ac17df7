/**
 * Plan: what a merge will cost and how it will be held, before it runs: bytes read and written, bytes live, the
 * mode, the layout. Pure: from a lineup, the place and the budget. `run.ts` obeys it.
 */

import { BLOCK, isTransposed, possibleForm } from '../formats/block-quantised.ts';
import { elementBytes, type BlendedDtype } from '../formats/dtype.ts';
import { type CutRule, type Group, type Layout, layOut } from './layout.ts';
import { readBytesOf, type BlendTensor, type Lineup } from './lineup.ts';
import { allPlain, type FormOf, liveBytesOf, liveWishes } from './live-weights.ts';
import { DIGITS } from './selection.ts';
import { isPooled, passesOf, unitOf } from './weights.ts';

/**
 * resident: sources stay at the arithmetic, re-blending reads nothing. cached: the result stays for chat and the
 * statistics are kept, sources are read again. streaming: too large to hold; it can be saved, not talked to.
 */
export type Mode = 'resident' | 'cached' | 'streaming';

/** How a merge will be done. */
export interface Plan {
  readonly layout: Layout;
  /** Source bytes of groups under way that may be held, so that a group is read once however often it is visited. */
  readonly holdBytes: number;
  /** The groups of several batches that are held so: those visited more than once that fit. */
  readonly heldGroups: ReadonlySet<Group>;
  /** True where everything is measured before anything is merged, because weights are shared between tensors. */
  readonly isMeasuredFirst: boolean;
  readonly mode: Mode;
  /** Bytes of one pass over all sources, copied tensors included. */
  readonly readBytes: number;
  /** Bytes that are read in all, where some have to be read again. */
  readonly totalReadBytes: number;
  /** Bytes of all tensors of the result. */
  readonly writeBytes: number;
  /** Bytes of the result as chat holds it. */
  readonly chatBytes: number;
  /** Bytes of working buffers while anything is merged. */
  readonly workingBytes: number;
  /** Most bytes held at one time: working buffers, and what the mode keeps. */
  readonly liveBytes: number;
  readonly mergedTensors: number;
  readonly copiedTensors: number;
  readonly out: BlendedDtype | 'mixed';
}

/** What decides a plan beside the lineup. */
export interface PlanLimits {
  /** Most bytes that merging and chat may hold. */
  readonly budgetBytes: number;
  /** Most source bytes of one batch (the arithmetic's own limit). */
  readonly batchBytes: number;
  /** Batches under way at once. */
  readonly depth: number;
  /** Whether sources may stay in memory at all. */
  readonly keepsSources: boolean;
  /** How chat holds tensors; all in float32 where nothing else is said. */
  readonly formOf?: FormOf;
}

/** Share of the budget that working buffers may take, and that sources may take while they are visited repeatedly. */
const WORKING_SHARE = 0.25;
const HOLD_SHARE = 0.5;

/**
 * A batch's buffers: sources, results up to twice as large (F32 from BF16), for a file or to be quantised, and read-back.
 */
const BUFFERS_PER_BATCH = 4;

/** The same where elements are ranked: ranks, and the room to sort them in, are up to twice as large as the sources each. */
const BUFFERS_PER_RANKED_BATCH = 7;

/** Where a tensor may be cut: sums along rows or columns, and ranks within rows, want rows whole. */
function cutRule(lineup: Lineup, tensor: BlendTensor): CutRule {
  const unit = unitOf(lineup, tensor);
  const passes = passesOf(lineup, tensor);
  if (unit === 'column' || passes.some((pass) => pass.kind === 'sums' && pass.over === 'column')) return 'row-block';
  if (lineup.method.ranks) return 'whole-row';
  const isByRow = passes.some((pass) => pass.kind === 'sums' && pass.over === 'row');
  return unit === 'row' || isByRow ? 'row' : 'block';
}

/** How often a tensor's bytes are visited, measuring before everything else left out. */
function visits(lineup: Lineup, tensor: BlendTensor): number {
  const unit = unitOf(lineup, tensor);
  const measuring = unit === null || unit === 'element' || isPooled(unit) ? 0 : 1;
  const passes = passesOf(lineup, tensor).map((pass) => (pass.kind === 'sums' ? 1 : DIGITS.length + 1));
  return passes.reduce((sum, count) => sum + count, measuring + 1);
}

/** Plans a merge. */
export function plan(lineup: Lineup, limits: PlanLimits): Plan {
  const buffers = lineup.method.ranks ? BUFFERS_PER_RANKED_BATCH : BUFFERS_PER_BATCH;
  const batchBytes = Math.min(
    limits.batchBytes,
    Math.floor((limits.budgetBytes * WORKING_SHARE) / (buffers * limits.depth)),
  );
  const { formOf = allPlain } = limits;
  // What is held transposed is written by blocks along the checkpoint's columns: a piece has all rows of them.
  const bandRows = ({ name, shape }: BlendTensor) =>
    isTransposed(possibleForm(formOf(name, shape), shape)) ? BLOCK : 1;
  const layout = layOut(lineup.tensors, batchBytes, (tensor) => cutRule(lineup, tensor), bandRows);
  const { batches, groups } = layout;
  const largest = batches.reduce((most, batch) => Math.max(most, batch.sourceBytes), 0);
  // One block of every source has to be there, however small the budget.
  const workingBytes = largest * buffers * limits.depth;
  const copiedBytes = lineup.copied.reduce((sum, { entry }) => sum + entry.end - entry.start, 0);
  const sourceBytes = batches.reduce((sum, batch) => sum + batch.sourceBytes, 0);
  const chatBytes = liveBytesOf(liveWishes(lineup.tensors, formOf));
  const outs = new Set(lineup.tensors.map((tensor) => tensor.out));
  const [only] = outs;
  const kept = { resident: chatBytes + sourceBytes, cached: chatBytes, streaming: 0 };
  const mode: Mode =
    limits.keepsSources && kept.resident + workingBytes <= limits.budgetBytes
      ? 'resident'
      : kept.cached + workingBytes <= limits.budgetBytes
        ? 'cached'
        : 'streaming';
  const freeBytes = limits.budgetBytes - kept[mode];
  const holdBytes = Math.max(0, Math.floor(Math.min(freeBytes * HOLD_SHARE, freeBytes - workingBytes)));
  const isMeasuredFirst = lineup.tensors.some((tensor) => isPooled(unitOf(lineup, tensor)));
  const visitsOf = (first: number) => {
    const tensor = lineup.tensors[batches[first]?.pieces[0]?.tensor ?? -1];
    return tensor ? visits(lineup, tensor) : 1;
  };
  const repeated = groups.filter((group) => group.count > 1 && visitsOf(group.first) > 1);
  const heldGroups = new Set(repeated.filter((group) => group.sourceBytes <= holdBytes));
  const rereadBytes = repeated.reduce(
    (sum, group) => sum + (heldGroups.has(group) ? 0 : group.sourceBytes * (visitsOf(group.first) - 1)),
    isMeasuredFirst ? sourceBytes : 0,
  );
  // As many neighbours are under way at once as the place is kept busy with.
  const costs = groups.map((group) => (heldGroups.has(group) ? group.sourceBytes : 0));
  const heldBytes = costs.reduce((most, _, first) => {
    const together = costs.slice(first, first + limits.depth).reduce((sum, cost) => sum + cost, 0);
    return Math.max(most, Math.min(holdBytes, together));
  }, 0);
  const readBytes = readBytesOf(lineup) + copiedBytes;
  return {
    layout,
    holdBytes,
    heldGroups,
    isMeasuredFirst,
    mode,
    readBytes,
    totalReadBytes: mode === 'resident' ? readBytes : readBytes + rereadBytes,
    writeBytes: lineup.tensors.reduce((sum, t) => sum + t.elements * elementBytes(t.out), copiedBytes),
    chatBytes,
    workingBytes,
    liveBytes: kept[mode] + workingBytes + (mode === 'resident' ? 0 : heldBytes),
    mergedTensors: lineup.tensors.length,
    copiedTensors: lineup.copied.length,
    out: outs.size === 1 && only ? only : 'mixed',
  };
}
