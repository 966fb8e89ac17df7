/**
 * Plan: what a merge will cost and how it will be held, before it runs: bytes read and written, bytes live, the
 * mode, the layout. Pure: from a lineup, the place and the budget. `run.ts` obeys it.
 */

import { elementBytes, type BlendedDtype } from '../formats/dtype.ts';
import { layOut, type Batch } from './layout.ts';
import { readBytesOf, type Lineup } from './lineup.ts';
import { liveBytesOf } from './live-weights.ts';
import { statisticsNeeded } from './weights.ts';

/**
 * resident: sources stay at the arithmetic, re-blending reads nothing. cached: the result stays for chat and the
 * statistics are kept, sources are read again. streaming: too large to hold; it can be saved, not talked to.
 */
export type Mode = 'resident' | 'cached' | 'streaming';

/** How a merge will be done. */
export interface Plan {
  readonly batches: readonly Batch[];
  /** Most source bytes of one batch. */
  readonly batchBytes: number;
  readonly statistics: 'none' | 'tensor' | 'row';
  readonly mode: Mode;
  /** Bytes of one pass over all sources, copied tensors included. */
  readonly readBytes: number;
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

/** Share of the budget that working buffers may take. */
const WORKING_SHARE = 0.25;

/** A batch's buffers: sources, results as large as the sources in the worst case (F32 from BF16), read-back. */
const BUFFERS_PER_BATCH = 4;

/** Plans a merge. */
export function plan(lineup: Lineup, limits: PlanLimits): Plan {
  const statistics = statisticsNeeded(lineup);
  const batchBytes = Math.min(
    limits.batchBytes,
    Math.floor((limits.budgetBytes * WORKING_SHARE) / (BUFFERS_PER_BATCH * limits.depth)),
  );
  const batches = layOut(lineup.tensors, batchBytes, statistics === 'row');
  const largest = batches.reduce((most, batch) => Math.max(most, batch.sourceBytes), 0);
  const workingBytes = Math.min(largest * BUFFERS_PER_BATCH * limits.depth, limits.budgetBytes);
  const copiedBytes = lineup.copied.reduce((sum, entry) => sum + entry.end - entry.start, 0);
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
  return {
    batches,
    batchBytes,
    statistics,
    mode,
    readBytes: readBytesOf(lineup) + copiedBytes,
    writeBytes: lineup.tensors.reduce((sum, t) => sum + t.elements * elementBytes(t.out), copiedBytes),
    chatBytes,
    liveBytes: kept[mode] + workingBytes,
    mergedTensors: lineup.tensors.length,
    copiedTensors: lineup.copied.length,
    out: outs.size === 1 && only ? only : 'mixed',
  };
}
