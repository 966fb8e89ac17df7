/**
 * WIDEN (arXiv 2408.03092): every column of a matrix is taken apart into its length and its direction; each model's
 * change of a column counts by where it ranks, in both, among that model's own changes. In the embeddings, whose rows
 * are tokens, a token's vector is the column. Vectors go by the size of each change.
 *
 * Lengths and directions come from A = Σ b², B = Σ b δ and C = Σ δ² of a column with base b and change δ, so that small
 * changes are not lost in the difference of large numbers.
 */

import { defineMethod, type Evidence, number, type Values } from './method.ts';

/** A change whose angle to the column has a squared sine below this lies along the column. */
const ALONG = 1e-6;
/** How much larger than a mean a change has to be to lie above it: float32's rounding does not decide. */
const ABOVE = 1 + 1e-6;

/** Whether a tensor's rows are tokens: the name says so. */
function isEmbedding(tensor: string): boolean {
  return /(^|\.)(embed_tokens|tok_embeddings|word_embeddings|embed_in|wte)\.weight$/.test(tensor);
}

/** How much longer or shorter a column has become. */
function lengthChange(base: number, product: number, change: number): number {
  const after = Math.sqrt(Math.max(0, base + 2 * product + change));
  const sum = after + Math.sqrt(base);
  return sum > 0 ? Math.abs(2 * product + change) / sum : 0;
}

/** One minus the cosine between a column before and after; 0 where it did not change, 1 where one of them is zero. */
function directionChange(base: number, product: number, change: number): number {
  if (change === 0) return 0;
  const lengths = Math.sqrt(base) * Math.sqrt(Math.max(0, base + 2 * product + change));
  if (lengths === 0) return 1;
  const inner = base + product;
  if (inner <= 0) return 1 - Math.max(-1, inner / lengths);
  const across = base * change - product * product;
  return across < ALONG * base * change ? 0 : across / (lengths * (lengths + inner));
}

/** The rank of each value, ascending from 0, ties by position. */
function ranks(values: Float64Array): Float64Array {
  const order = Array.from(values, (_, i) => i).sort((a, b) => (values[a] ?? 0) - (values[b] ?? 0) || a - b);
  const out = new Float64Array(values.length);
  order.forEach((i, rank) => {
    out[i] = rank;
  });
  return out;
}

/**
 * The importance of every line to every model: the models' softmax over their significance there, and `calibration`
 * where it is above the model's own mean by the factor `ratio`.
 * @param significance models × lines
 */
function importance(significance: readonly Float64Array[], params: Values): Float64Array[] {
  const ratio = params.above_average_value_ratio ?? 1;
  const calibration = params.score_calibration_value ?? 1;
  const bounds = significance.map((own) => (own.reduce((sum, x) => sum + x, 0) / own.length) * ratio * ABOVE);
  const lines = significance[0]?.length ?? 0;
  const out = significance.map(() => new Float64Array(lines));
  for (let line = 0; line < lines; line++) {
    const top = Math.max(...significance.map((own) => own[line] ?? 0));
    const powers = significance.map((own) => Math.exp((own[line] ?? 0) - top));
    const total = powers.reduce((sum, p) => sum + p, 0);
    significance.forEach((own, k) => {
      const isAbove = (own[line] ?? 0) > (bounds[k] ?? 0);
      (out[k] ?? own)[line] = isAbove ? calibration : (powers[k] ?? 0) / total;
    });
  }
  return out;
}

/** Scores models × lines from what changed along them. @param sums of model k at a line: A, B and C. */
function scores(
  models: number,
  lines: number,
  dimensions: number,
  params: Values,
  sums: (k: number, line: number) => readonly [number, number, number],
): Float64Array[] {
  const each = (value: (base: number, product: number, change: number) => number) =>
    Array.from({ length: models }, (_, k) =>
      Float64Array.from({ length: lines }, (_, line) => value(...sums(k, line))),
    );
  if (dimensions < 2)
    return importance(
      each((_, __, change) => Math.sqrt(change)),
      params,
    );
  const relative = (own: Float64Array) => ranks(own).map((rank) => rank / lines);
  const magnitude = importance(each(lengthChange).map(relative), params);
  const direction = importance(each(directionChange).map(relative), params);
  return magnitude.map((own, k) => own.map((score, line) => (score + (direction[k]?.[line] ?? 0)) / 2));
}

/** The scores of a pass's lines, models × lines, from its totals. */
function found(evidence: Evidence, name: string): Float64Array {
  const { models, dimensions, params } = evidence;
  const { totals, lines } = evidence.passes.get(name) ?? { totals: new Float64Array(), lines: 0 };
  const out = new Float64Array(models * lines);
  const at = (q: number, line: number) => totals[q * lines + line] ?? 0;
  scores(models, lines, dimensions, params, (k, line) => [
    at(0, line),
    at(1 + 2 * k, line),
    at(2 + 2 * k, line),
  ]).forEach((own, k) => out.set(own, k * lines));
  return out;
}

export const widen = defineMethod({
  name: 'widen',
  title: 'WIDEN',
  family: 'Evidence',
  summary: 'Counts each model’s change of a column by how much it matters among all of that model’s changes.',
  paper: 'https://arxiv.org/abs/2408.03092',
  inMergekit: false,
  differences: [
    'Columns that are zero in the base or in a model count as turned by a right angle; the authors’ code divides zero by zero there.',
    'A token’s vector is the column wherever the embeddings’ name is known, not in `model.embed_tokens` alone.',
  ],
  base: 'required',
  models: { min: 1, max: 16 },
  params: {
    above_average_value_ratio: number({
      min: 0,
      max: 2,
      default: 1,
      help: 'Changes that rank above this times a model’s average count fully.',
    }),
    score_calibration_value: number({ min: 0, max: 2, default: 1, help: 'What a change that counts fully counts.' }),
  },
  perModel: {},
  handle: null,
  presets: [
    {
      name: 'As in the paper',
      when: 'Use it where one model was trained far longer than the others, on top of the same base.',
      params: { above_average_value_ratio: 1, score_calibration_value: 1 },
      perModel: {},
    },
  ],
  statistics: () => null,
  passes: [
    {
      kind: 'sums',
      name: 'columns',
      isNeeded: (_, __, tensor) => !isEmbedding(tensor),
      over: 'column',
      quantities: (models) => 1 + 2 * models,
      finds: { over: 'column', width: (models) => models, from: (evidence) => found(evidence, 'columns') },
    },
    {
      kind: 'sums',
      name: 'tokens',
      isNeeded: (_, __, tensor) => isEmbedding(tensor),
      over: 'row',
      quantities: (models) => 1 + 2 * models,
      finds: { over: 'row', width: (models) => models, from: (evidence) => found(evidence, 'tokens') },
    },
  ],
  /** How much of each model's change is added, on average over the columns. For people: the kernel reads the scores. */
  coefficients({ models, tensor, passes }) {
    const own = passes.get(isEmbedding(tensor) ? 'tokens' : 'columns')?.found ?? new Float64Array();
    const lines = own.length / models;
    return Float64Array.from({ length: models }, (_, k) =>
      lines > 0 ? own.subarray(k * lines, (k + 1) * lines).reduce((sum, x) => sum + x, 0) / lines : 0,
    );
  },
  reference({ tensor, base, models, params, rowElements, dimensions }) {
    const out = Float64Array.from(base ?? []);
    const byRows = isEmbedding(tensor);
    const lineOf = (i: number) => (byRows ? Math.floor(i / rowElements) : i % rowElements);
    const lines = byRows ? out.length / rowElements : rowElements;
    const before = new Float64Array(lines);
    out.forEach((x, i) => {
      before[lineOf(i)] = (before[lineOf(i)] ?? 0) + x * x;
    });
    const sums = models.map((model) => {
      const products = new Float64Array(lines);
      const squares = new Float64Array(lines);
      model.forEach((x, i) => {
        const change = x - (out[i] ?? 0);
        products[lineOf(i)] = (products[lineOf(i)] ?? 0) + (out[i] ?? 0) * change;
        squares[lineOf(i)] = (squares[lineOf(i)] ?? 0) + change * change;
      });
      return { products, squares };
    });
    const own = scores(models.length, lines, dimensions, params, (k, line) => [
      before[line] ?? 0,
      sums[k]?.products[line] ?? 0,
      sums[k]?.squares[line] ?? 0,
    ]);
    return out.map((x, i) =>
      models.reduce((sum, model, k) => sum + (own[k]?.[lineOf(i)] ?? 0) * ((model[i] ?? 0) - x), x),
    );
  },
});
