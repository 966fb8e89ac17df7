/**
 * Stage runs: merges stages where everything is merged: each read of a stage's tensor is a small run of its own over
 * the stage's sources, with weights that are found once. Nothing of a stage's result is kept.
 */

import { elementBytes } from '../formats/dtype.ts';
import type { Arithmetic } from './arithmetic.ts';
import { plan } from './plan.ts';
import { Run } from './run.ts';
import type { OpenStage } from './stage.ts';
import { Statistics } from './statistics.ts';

/** Share of the budget that a stage may hold beside the recipe that reads it. */
export const STAGE_SHARE = 0.25;

/**
 * Opens stages at an arithmetic that may not be there before the first read.
 * @param budgetBytes most bytes that one stage may hold while its weights are found.
 */
export function stagesAt(arithmetic: () => Arithmetic, budgetBytes: () => number): OpenStage {
  return (lineup) => {
    const place = arithmetic();
    const { batchBytes, depth } = place;
    const planned = plan(lineup, { budgetBytes: budgetBytes(), batchBytes, depth, keepsSources: false });
    const run = new Run(lineup, planned, place, null, new Statistics());
    const indexOf = new Map(lineup.tensors.map(({ name }, index) => [name, index]));
    let measured: Promise<void> | null = null;
    return {
      async read(tensor, start, end) {
        const index = indexOf.get(tensor.name);
        if (index === undefined) throw new Error(`${tensor.name} is no tensor of its stage`);
        // Weights that are shared between tensors need all of them measured first.
        measured ??= planned.isMeasuredFirst ? run.measure(null) : Promise.resolve();
        await measured;
        if (start === end) return new Uint8Array(0);
        const size = elementBytes(tensor.out);
        return run.mergeRange(index, start / size, end / size);
      },
    };
  };
}
