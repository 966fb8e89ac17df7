/**
 * Ranking: the dispatches that rank every element's change within its row (ranks.wgsl): runs are sorted, then joined
 * two by two until one run is a row. Two buffers take turns, so that the last step ends in the one with the ranks.
 */

import type { BlendedDtype } from '../formats/dtype.ts';
import type { PieceShape } from '../methods/kernel.ts';
import { modelCount } from './compose.ts';
import type { BufferRange, Dispatch, PieceFields } from './submission.ts';

/** The same numbers stand in ranks.wgsl. */
const RUN_ELEMENTS = 2048;
const JOIN_LANES = 64;
const DTYPES: Readonly<Record<BlendedDtype, number>> = { F32: 0, F16: 1, BF16: 2 };

/** The pipelines of ranks.wgsl. */
export interface RankPipelines {
  readonly sort: GPUComputePipeline;
  readonly join: GPUComputePipeline;
}

/** Words that the ranks of a piece take: models × elements. */
export function rankWords(shape: PieceShape): number {
  return modelCount(shape) * shape.elements;
}

/** Whether rows are so long that a second buffer is needed. */
export function needsTurns(shape: PieceShape): boolean {
  return shape.rowElements > RUN_ELEMENTS;
}

/**
 * The dispatches for one piece of whole rows.
 * @param own the piece's uniform fields.
 * @param ranks the range where the ranks end, from `word` on; `turns` is as large, or null where no piece needs turns.
 */
export function rankDispatches(
  shape: PieceShape,
  own: PieceFields,
  pipelines: RankPipelines,
  word: number,
  ranks: BufferRange,
  turns: BufferRange | null,
): Dispatch[] {
  if (shape.elements % shape.rowElements !== 0 || shape.start % shape.rowElements !== 0) {
    throw new Error(`${shape.tensor}: ranks need whole rows`);
  }
  const models = modelCount(shape);
  const runsPerRow = Math.ceil(shape.rowElements / RUN_ELEMENTS);
  const joins = Math.ceil(Math.log2(runsPerRow));
  const target = (step: number) => {
    const range = (joins - step) % 2 === 0 ? ranks : turns;
    if (!range) throw new Error('ranks of long rows need two buffers');
    return range;
  };
  const size = runsPerRow > 1 ? RUN_ELEMENTS : 2 ** Math.ceil(Math.log2(Math.max(1, shape.rowElements)));
  const runs = (shape.elements / shape.rowElements) * runsPerRow * models;
  const common = { ...own, outputWord: word, scratchWord: word };
  const numbers = Uint32Array.of(shape.hasBase ? 1 : 0, ...shape.dtypes.map((dtype) => DTYPES[dtype]));
  const sort: Dispatch = {
    fields: { ...common, items: runs, run: size },
    numbers,
    pipeline: pipelines.sort,
    groups: Math.ceil(runs / (RUN_ELEMENTS / size)),
    result: target(0),
    scratch: null,
  };
  const joined = Array.from({ length: joins }, (_, step): Dispatch => {
    const items = rankWords(shape);
    return {
      fields: { ...common, items, run: RUN_ELEMENTS * 2 ** step },
      numbers,
      pipeline: pipelines.join,
      groups: Math.ceil(items / JOIN_LANES),
      result: target(step + 1),
      scratch: target(step),
    };
  });
  return [sort, ...joined];
}
