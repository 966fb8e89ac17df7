/**
 * NuSLERP: spherical interpolation between two models, or between what two models changed of a base: over the whole
 * tensor, or row by row, or column by column.
 */

import { boolean, defineMethod, number, type Values } from './method.ts';
import { changes, dot, norm, scaled, weightedSum } from './sphere.ts';

/** Vectors shorter than this are divided by this instead of by their length. */
const SHORTEST = 1e-7;
/** Where the sine of the angle is below this the straight line is taken. */
const SMALLEST_SINE = 1e-8;
/**
 * Cosines within this of −1 count as antiparallel. No arc leads from a direction to its opposite; that close to it,
 * which one is taken would hang on the rounding of float32.
 */
const ANTIPARALLEL = 1e-6;

/** The share of the second model. */
function position(perModel: readonly Values[]): number {
  const first = perModel[0]?.weight ?? 0;
  const second = perModel[1]?.weight ?? 0;
  return Math.abs(first + second) < 1e-6 ? 0.5 : second / (first + second);
}

/** The factors of both vectors, from their Gram matrix. */
function arc(t: number, first: number, product: number, second: number): readonly [number, number] {
  const lengths = Math.max(Math.sqrt(first), SHORTEST) * Math.max(Math.sqrt(second), SHORTEST);
  const cosine = Math.max(-1, Math.min(1, product / lengths));
  const angle = Math.acos(cosine);
  const sine = Math.sin(angle);
  if (sine < SMALLEST_SINE || 1 + cosine < ANTIPARALLEL) return [1 - t, t];
  return [Math.sin((1 - t) * angle) / sine, Math.sin(t * angle) / sine];
}

export const nuslerp = defineMethod({
  name: 'nuslerp',
  title: 'NuSLERP',
  family: 'On the sphere',
  summary: 'From one model to another along the arc between them, or between their changes where a base is named.',
  paper: null,
  inMergekit: true,
  differences: [
    'Vectors that point in opposite directions are blended along the straight line; mergekit divides by the rounding error of a sine there.',
    'In tensors of three or more dimensions a row is a slice along the first dimension, not a vector along the last.',
  ],
  base: 'optional',
  models: { min: 2, max: 2 },
  params: {
    nuslerp_flatten: boolean({ default: true, help: 'Takes the whole tensor as one vector.' }),
    nuslerp_row_wise: boolean({
      default: false,
      help: 'Without flattening: every column is a vector (one per input), as under mergekit’s word. Off: every row.',
    }),
  },
  perModel: {
    weight: number({ min: 0, max: 2, default: 1, help: 'The shares of both models decide where on the arc to stop.' }),
  },
  handle: 'weight',
  presets: [
    {
      name: 'Equal parts',
      when: 'Use it first: halfway between the two models, each tensor as one vector.',
      params: { nuslerp_flatten: true, nuslerp_row_wise: false },
      perModel: { weight: 1 },
    },
    {
      name: 'Row by row',
      when: 'Use it where the outputs of a layer turned by different angles.',
      params: { nuslerp_flatten: false, nuslerp_row_wise: false },
      perModel: { weight: 1 },
    },
  ],
  statistics: (params) => (params.nuslerp_flatten === 1 ? 'tensor' : params.nuslerp_row_wise === 1 ? 'column' : 'row'),
  coefficients({ params, perModel, sums, lineSums, dimensions }) {
    const t = position(perModel);
    if (sums) return Float64Array.from(arc(t, sums.gram[0] ?? 0, sums.gram[1] ?? 0, sums.gram[3] ?? 0));
    if (!lineSums) throw new Error('nuslerp was given no sums');
    const { lines, gram } = lineSums;
    const entry = (pair: number, line: number) => gram[pair * lines + line] ?? 0;
    const out = new Float64Array(2 * lines);
    if (params.nuslerp_row_wise === 1 && dimensions < 2) {
      // A vector has no columns to go by: it is one vector whichever way it is looked at.
      const total = (pair: number) => gram.subarray(pair * lines, (pair + 1) * lines).reduce((sum, x) => sum + x, 0);
      const [first, second] = arc(t, total(0), total(1), total(3));
      return out.fill(first, 0, lines).fill(second, lines);
    }
    for (let line = 0; line < lines; line++) {
      const [first, second] = arc(t, entry(0, line), entry(1, line), entry(3, line));
      out[line] = first;
      out[lines + line] = second;
    }
    return out;
  },
  reference({ base, models, params, perModel, rowElements, dimensions }) {
    const t = position(perModel);
    const [first = new Float64Array(), second = new Float64Array()] = changes(base, models);
    const out = Float64Array.from(first);
    /** Blends the vector of `count` elements that starts at `start`, `stride` apart. */
    const blend = (start: number, stride: number, count: number) => {
      const at = (n: number) => start + n * stride;
      const a = Float64Array.from({ length: count }, (_, n) => first[at(n)] ?? 0);
      const b = Float64Array.from({ length: count }, (_, n) => second[at(n)] ?? 0);
      const unit = (v: Float64Array) => scaled(v, 1 / Math.max(norm(v), SHORTEST));
      const cosine = Math.max(-1, Math.min(1, dot(unit(a), unit(b))));
      const angle = Math.acos(cosine);
      const isLine = Math.sin(angle) < SMALLEST_SINE || cosine < ANTIPARALLEL - 1;
      const sines = [Math.sin((1 - t) * angle) / Math.sin(angle), Math.sin(t * angle) / Math.sin(angle)];
      weightedSum([a, b], isLine ? [1 - t, t] : sines).forEach((x, n) => {
        out[at(n)] = (base?.[at(n)] ?? 0) + x;
      });
    };
    const rows = out.length / Math.max(1, rowElements);
    if (params.nuslerp_flatten === 1 || dimensions < 2) blend(0, 1, out.length);
    else if (params.nuslerp_row_wise === 1) for (let c = 0; c < rowElements; c++) blend(c, rowElements, rows);
    else for (let r = 0; r < rows; r++) blend(r * rowElements, 1, rowElements);
    return out;
  },
});
