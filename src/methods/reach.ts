/**
 * Reach: how many models changed an element, which decides how ram and ramplus_tl merge it: the mean of changes that
 * several models made, and a change that one model alone made for itself. Not a method.
 */

import { number, type Parameters, type ReferenceInput } from './method.ts';
import { deltasOf } from './task-vectors.ts';

/** The parameter of both methods. */
export const REACH_PARAMS = {
  epsilon: number({
    least: 0,
    min: 0,
    max: 0.001,
    step: 0.000005,
    default: 1e-5,
    help: 'Changes no larger than this count as none.',
  }),
} as const satisfies Parameters;

/** Every model's changes, those that count as none being 0, and per element how many models have one. */
export function reachOf(input: ReferenceInput): {
  readonly changes: readonly Float64Array[];
  readonly counts: Float64Array;
} {
  const epsilon = Math.fround(input.params.epsilon ?? 0);
  const changes = deltasOf(input).map((delta) => delta.map((d) => (Math.abs(d) > epsilon ? d : 0)));
  const counts = Float64Array.from(input.base ?? [], (_, i) => changes.filter((change) => change[i] !== 0).length);
  return { changes, counts };
}

/** The base and the mean of shared changes, and unshared ones times their model's factor. */
export function averaged(input: ReferenceInput, factors: (k: number) => number): Float64Array {
  const { changes, counts } = reachOf(input);
  return Float64Array.from(input.base ?? [], (origin, i) => {
    const count = counts[i] ?? 0;
    let sum = 0;
    changes.forEach((change, k) => {
      sum += (change[i] ?? 0) * (count === 1 ? factors(k) : 1);
    });
    return origin + sum / Math.max(1, count);
  });
}
