/**
 * Plan: what a merge will cost and how it will be held, before it runs: bytes read and written, bytes live, the
 * mode, the layout. Pure: from a lineup, the place and the budget. `run.ts` obeys it.
 */

import { elementBytes, type BlendedDtype } from '../formats/dtype.ts';
import { layOut, type CutRule, type Layout } from './layout.ts';
import { readBytesOf, type BlendTensor, type Lineup } from './lineup.ts';
import { liveBytesOf } from './live-weights.ts';
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
}

/** Share of the budget that working buffers may take, and that sources may take while they are visited repeatedly. */
const WORKING_SHARE = 0.25;
const HOLD_SHARE = 0.5;

/** A batch's buffers: sources, results as large as the sources in the worst case (F32 from BF16), read-back. */
const BUFFERS_PER_BATCH = 4;

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
  const batchBytes = Math.min(
    limits.batchBytes,
    Math.floor((limits.budgetBytes * WORKING_SHARE) / (BUFFERS_PER_BATCH * limits.depth)),
  );
  const layout = layOut(lineup.tensors, batchBytes, (tensor) => cutRule(lineup, tensor));
  const { batches, groups } = layout;
  const largest = batches.reduce((most, batch) => Math.max(most, batch.sourceBytes), 0);
  // One block of every source has to be there, however small the budget.
  const workingBytes = largest * BUFFERS_PER_BATCH * limits.depth;
  const copiedBytes = lineup.copied.reduce((sum, { entry }) => sum + entry.end - entry.start, 0);
  const sourceBytes = batches.reduce((sum, batch) => sum + batch.sourceBytes, 0);
  const chatBytes = liveBytesOf(lineup.tensors);
  const outs = new Set(lineup.tensors.map((tensor) => tensor.out));
  const [only] = outs;
  const kept = { resident: chatBytes + sourceBytes, cached: chatBytes, streaming: 0 };
  const mode: Mode =
    limits.keepsSources && kept.resident + workingBytes <= limits.budgetBytes
      ? 'resident'
      : kept.cached + workingBytes <= limits.budgetBytes
        ? 'cached'
        : 'streaming';
  const holdBytes = Math.max(0, Math.floor((limits.budgetBytes - kept[mode]) * HOLD_SHARE));
  const isMeasuredFirst = lineup.tensors.some((tensor) => isPooled(unitOf(lineup, tensor)));
  const visitsOf = (first: number) => {
    const tensor = lineup.tensors[batches[first]?.pieces[0]?.tensor ?? -1];
    return tensor ? visits(lineup, tensor) : 1;
  };
  const rereadBytes = groups.reduce(
    (sum, group) => sum + (group.sourceBytes > holdBytes ? group.sourceBytes * (visitsOf(group.first) - 1) : 0),
    isMeasuredFirst ? sourceBytes : 0,
  );
  const heldBytes = groups.reduce((most, group) => {
    const isVisitedOften = group.sourceBytes <= holdBytes && visitsOf(group.first) > 1;
    return isVisitedOften ? Math.max(most, group.sourceBytes) : most;
  }, 0);
  const readBytes = readBytesOf(lineup) + copiedBytes;
  return {
    layout,
    holdBytes,
    isMeasuredFirst,
    mode,
    readBytes,
    totalReadBytes: mode === 'resident' ? readBytes : readBytes + rereadBytes,
    writeBytes: lineup.tensors.reduce((sum, t) => sum + t.elements * elementBytes(t.out), copiedBytes),
    chatBytes,
    liveBytes: kept[mode] + workingBytes + (mode === 'resident' ? 0 : heldBytes),
    mergedTensors: lineup.tensors.length,
    copiedTensors: lineup.copied.length,
    out: outs.size === 1 && only ? only : 'mixed',
  };
}
